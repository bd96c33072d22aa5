#include "init/vminitd/statistics.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "base/fd.h"
#include "init/vminitd/listening.h"
#include "init/vminitd/system.h"

namespace hako::init {
namespace {

// "8:0 rbytes=1 wbytes=2 ..." summed over the devices.
std::uint64_t sum_io(const std::string& text, std::string_view name) {
    std::uint64_t sum = 0;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=')
            continue;
        std::uint64_t number = 0;
        std::from_chars(word.data() + name.size() + 1, word.data() + word.size(), number);
        sum += number;
    }
    return sum;
}

// The first line of /proc/stat: all that the CPUs did, idle included, in ticks.
std::uint64_t system_cpu_us() {
    std::istringstream words(read_file("/proc/stat").value_or(""));
    std::string name;
    words >> name;
    std::uint64_t ticks = 0;
    // user nice system idle iowait irq softirq steal; guest times are in user already.
    for (int field = 0; field < 8; ++field) {
        std::uint64_t value = 0;
        words >> value;
        ticks += value;
    }
    return ticks * 1'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t boot_time() {
    std::istringstream words(read_file("/proc/stat").value_or(""));
    for (std::string word; words >> word;)
        if (word == "btime") {
            std::uint64_t seconds = 0;
            words >> seconds;
            return seconds;
        }
    return 0;
}

struct ProcStat {
    std::string name;
    int ppid = 0;
    unsigned tty = 0;
    std::uint64_t ticks = 0, start = 0;
};

// /proc/PID/stat; the name is in parentheses and may hold anything.
std::optional<ProcStat> parse_stat(const std::string& text) {
    const auto open = text.find('('), close = text.rfind(')');
    if (open == std::string::npos || close == std::string::npos || close < open)
        return std::nullopt;
    ProcStat stat;
    stat.name = text.substr(open + 1, close - open - 1);
    std::istringstream words(text.substr(close + 1));
    std::string field;
    for (int number = 3; words >> field && number <= 22; ++number) {
        std::uint64_t value = 0;
        std::from_chars(field.data(), field.data() + field.size(), value);
        if (number == 4) stat.ppid = static_cast<int>(value);
        if (number == 7) stat.tty = static_cast<unsigned>(value);
        if (number == 14 || number == 15) stat.ticks += value;
        if (number == 22) stat.start = value;
    }
    return stat;
}

std::string tty_name(unsigned device) {
    if (device == 0) return "?";
    if (major(device) >= 136 && major(device) <= 143)
        return fmt::format("pts/{}", (major(device) - 136) * 256 + minor(device));
    return device == makedev(5, 1) ? "console" : "tty";
}

std::string command_line(const std::string& folder, const std::string& name) {
    auto text = read_file(folder + "/cmdline").value_or("");
    while (text.ends_with('\0')) text.pop_back();
    if (text.empty()) return "[" + name + "]";
    std::ranges::replace(text, '\0', ' ');
    return text;
}

// By the passwd of the process' own root.
std::string user_name(const std::string& folder, unsigned uid) {
    std::istringstream lines(read_file(folder + "/root/etc/passwd", 1 << 20).value_or(""));
    const auto wanted = fmt::format("{}", uid);
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const auto third = line.find(':', second + 1);
        if (line.substr(second + 1, third - second - 1) == wanted) return line.substr(0, first);
    }
    return wanted;
}

}  // namespace

agent::v1::StatisticsResponse read_statistics(const Cgroup& cgroup) {
    agent::v1::StatisticsResponse response;
    auto cpu = cgroup.read_table("cpu.stat");
    response.set_cpu_usage_us(cpu["usage_usec"]);
    response.set_cpu_user_us(cpu["user_usec"]);
    response.set_cpu_system_us(cpu["system_usec"]);
    response.set_cpu_throttled_us(cpu["throttled_usec"]);
    response.set_memory_usage_bytes(cgroup.read_number("memory.current"));
    response.set_memory_peak_bytes(cgroup.read_number("memory.peak"));
    response.set_memory_limit_bytes(std::min(cgroup.read_number("memory.max"), total_memory()));
    for (const auto& [name, value] : cgroup.read_table("memory.stat"))
        (*response.mutable_memory_stat())[name] = value;
    response.set_pids_current(cgroup.read_number("pids.current"));
    response.set_pids_limit(cgroup.read_number("pids.max"));
    response.set_oom_kills(cgroup.read_table("memory.events")["oom_kill"]);
    const auto io = cgroup.read("io.stat").value_or("");
    response.set_block_read_bytes(sum_io(io, "rbytes"));
    response.set_block_write_bytes(sum_io(io, "wbytes"));
    response.set_online_cpus(static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
    response.set_system_cpu_us(system_cpu_us());
    for (const auto& port : listening_ports()) response.add_listening(port);
    return response;
}

agent::v1::ListProcessesResponse list_processes(const Cgroup& cgroup) {
    agent::v1::ListProcessesResponse response;
    const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const auto booted = boot_time();
    for (const auto pid : cgroup.processes()) {
        const auto folder = fmt::format("/proc/{}", pid);
        struct stat owner {};
        const auto stat = parse_stat(read_file(folder + "/stat").value_or(""));
        if (!stat || ::stat(folder.c_str(), &owner) != 0) continue;
        auto& row = *response.add_processes();
        row.set_pid(pid);
        row.set_ppid(stat->ppid);
        row.set_uid(owner.st_uid);
        row.set_user(user_name(folder, owner.st_uid));
        row.set_tty(tty_name(stat->tty));
        row.set_cpu_time_ms(stat->ticks * 1000 / ticks_per_second);
        row.set_start_time_unix_s(booted + stat->start / ticks_per_second);
        row.set_command(command_line(folder, stat->name));
    }
    return response;
}

}  // namespace hako::init
