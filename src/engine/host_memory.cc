#include "engine/host_memory.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace hako::engine {
namespace {

constexpr std::uint64_t kLeastAvailable = 10;  // a tenth of the memory
constexpr double kMostPressure = 10;           // per cent of the time somebody waits for memory

std::uint64_t kib_of(const std::string& text, std::string_view name) {
    const auto at = text.find(name);
    unsigned long long value = 0;
    if (at != std::string::npos)
        std::sscanf(text.c_str() + at + name.size(), ": %llu kB", &value);  // NOLINT(cert-err34-c)
    return value;
}

}  // namespace

bool is_memory_short() {
    const auto memory = read_file("/proc/meminfo");
    if (memory && kib_of(*memory, "MemAvailable") * kLeastAvailable < kib_of(*memory, "MemTotal"))
        return true;
    const char* other = std::getenv("HAKO_MEMORY_PRESSURE");
    const auto pressure = read_file(other != nullptr ? other : "/proc/pressure/memory");
    double some = 0;
    return pressure &&
           std::sscanf(pressure->c_str(), "some avg10=%lf", &some) == 1 &&  // NOLINT(cert-err34-c)
           some > kMostPressure;
}

}  // namespace hako::engine
