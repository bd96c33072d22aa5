#include "init/vminitd/timer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/fd.h"

namespace hako::init {
namespace {

// Of QEMU's APIC and KVM's: 1 GHz, which the kernel divides by 16.
constexpr double kTicksPerNanosecond = 1.0 / 16;
constexpr double kMostLate = 1.0005;

// The number behind the first such name from there on.
std::optional<double> number_of(const std::string& text, std::size_t from, std::string_view name) {
    const auto at = text.find(name, from);
    if (at == std::string::npos) return std::nullopt;
    return std::strtod(text.c_str() + at + name.size(), nullptr);
}

}  // namespace

bool lets_sleep(std::string_view device, const std::string& list) {
    if (device == "pit") return false;
    if (device != "lapic") return true;
    const auto begin = list.find("Clock Event Device: lapic\n");
    if (begin == std::string::npos) return false;
    const auto mult = number_of(list, begin, " mult:");
    const auto shift = number_of(list, begin, " shift:");
    return mult && shift && std::ldexp(*mult, -int(*shift)) <= kTicksPerNanosecond * kMostLate;
}

bool lets_sleep() {
    auto device =
        read_file("/sys/devices/system/clockevents/clockevent0/current_device").value_or("");
    device.erase(std::min(device.find('\n'), device.size()));
    return lets_sleep(device, read_file("/proc/timer_list").value_or(""));
}

}  // namespace hako::init
