#include "macos/host_cpu.h"

#include <algorithm>

#include "base/fd.h"
#include "base/text.h"

namespace hako::macos {
namespace {

std::string value_of(std::string_view text, std::string_view name) {
    for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        if (at != 0 && text[at - 1] != '\n') continue;
        const auto line = text.substr(at, text.find('\n', at) - at);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || trim(line.substr(0, colon)) != name) continue;
        return std::string(trim(line.substr(colon + 1)));
    }
    return {};
}

void add_words(std::set<std::string>& into, std::string_view text) {
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (!word.empty()) into.emplace(word);
    }
}

}  // namespace

HostCpu parse_cpuinfo(std::string_view text) {
    HostCpu cpu{.is_intel = value_of(text, "vendor_id") == "GenuineIntel"};
    add_words(cpu.flags, value_of(text, "flags"));
    add_words(cpu.flags, value_of(text, "vmx flags"));
    return cpu;
}

std::vector<std::string> host_warnings(const HostCpu& cpu, const std::filesystem::path& sys) {
    std::vector<std::string> warnings;
    const auto clock =
        read_file(sys / "devices/system/clocksource/clocksource0/current_clocksource");
    if (clock && trim(*clock) != "tsc")
        warnings.push_back(
            fmt::format("the host's clock is {}, not tsc: macOS may be slow or stop "
                        "with more than one core",
                        trim(*clock)));
    const auto ignored = read_file(sys / "module/kvm/parameters/ignore_msrs");
    if (ignored && trim(*ignored) == "N")
        warnings.push_back(
            "KVM does not ignore unknown registers, macOS may restart for ever: "
            "echo 1 > /sys/module/kvm/parameters/ignore_msrs");
    if (!cpu.has("nonstop_tsc"))
        warnings.push_back("the processor's clock stops in deep sleep: the guest's may be wrong");
    return warnings;
}

Result<void> check_cpu(const HostCpu& cpu, const Version& version) {
    if (!version.needs_avx2 || cpu.has("avx2")) return {};
    return fail(ErrorKind::unavailable,
                "macOS {} needs a processor with AVX2, which this host has not: use VERSION=12 or "
                "older",
                version.number);
}

}  // namespace hako::macos
