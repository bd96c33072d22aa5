#include "macshim/process_usage.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <sstream>

#include "base/fd.h"
#include "base/units.h"

namespace hako::macshim {
namespace {

using std::chrono::microseconds;

constexpr std::uint64_t kMicroseconds = 1'000'000;

// "VmRSS:   1234 kB" and the like; 0 where the line is missing.
std::uint64_t number_behind(std::string_view text, std::string_view name) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) return 0;
    return std::strtoull(std::string(text.substr(at + name.size(), 32)).c_str(), nullptr, 10);
}

}  // namespace

Result<agent::v1::StatisticsResponse> process_usage(pid_t pid, unsigned cpus,
                                                    std::uint64_t memory_bytes) {
    const auto folder = fmt::format("/proc/{}", pid);
    HAKO_TRY(const auto stat, read_file(folder + "/stat"));
    HAKO_TRY(const auto status, read_file(folder + "/status"));
    HAKO_TRY(const auto io, read_file(folder + "/io"));
    agent::v1::StatisticsResponse usage;
    // The name, in parentheses, may hold anything; then come fields 3 and on.
    std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 2, stat.size())));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    fields >> user >> system;
    const auto tick = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    usage.set_cpu_user_us(user * kMicroseconds / tick);
    usage.set_cpu_system_us(system * kMicroseconds / tick);
    usage.set_cpu_usage_us((user + system) * kMicroseconds / tick);
    const auto clock = std::chrono::steady_clock::now().time_since_epoch();
    usage.set_system_cpu_us(
        static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(clock).count()) * cpus);
    usage.set_online_cpus(cpus);
    usage.set_memory_usage_bytes(number_behind(status, "VmRSS:") * kKiB);
    usage.set_memory_peak_bytes(number_behind(status, "VmHWM:") * kKiB);
    usage.set_memory_limit_bytes(memory_bytes);
    usage.set_pids_current(number_behind(status, "Threads:"));
    usage.set_block_read_bytes(number_behind(io, "\nread_bytes:"));
    usage.set_block_write_bytes(number_behind(io, "\nwrite_bytes:"));
    return usage;
}

}  // namespace hako::macshim
