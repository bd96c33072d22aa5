#include "guest/messages.h"

namespace hako::guest {
namespace {

WallTime to_time(std::int64_t nanoseconds) {
    return WallTime(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

agent::v1::Mount to_message(const Mount& mount) {
    agent::v1::Mount message;
    if (mount.disk_serial.empty()) message.set_source(mount.source);
    else message.set_disk_serial(mount.disk_serial);
    message.set_type(mount.type);
    message.set_target(mount.target);
    for (const auto& option : mount.options) message.add_options(option);
    message.set_create_directories(mount.create_directories);
    return message;
}

agent::v1::Socket to_message(const Socket& socket) {
    agent::v1::Socket message;
    message.set_path(socket.path);
    message.set_uid(socket.uid);
    message.set_gid(socket.gid);
    message.set_mode(socket.mode);
    return message;
}

agent::v1::ConfigureNetworkRequest to_message(const Network& network) {
    agent::v1::ConfigureNetworkRequest message;
    for (const auto& interface : network.interfaces) {
        auto& added = *message.add_interfaces();
        added.set_name(interface.name);
        for (const auto& address : interface.addresses) added.add_addresses(address);
        added.set_mtu(interface.mtu);
        added.set_up(interface.up);
        added.set_mac(interface.mac);
        added.set_card(interface.card);
        for (const auto& [path, value] : interface.sysctls)
            (*added.mutable_sysctls())[path] = value;
    }
    for (const auto& route : network.routes) {
        auto& added = *message.add_routes();
        added.set_destination(route.destination);
        added.set_gateway(route.gateway);
        added.set_interface(route.interface);
    }
    message.set_hostname(network.hostname);
    for (const auto& lines : network.lines) {
        auto& added = *message.add_lines();
        added.set_container(lines.container);
        added.set_path(lines.path);
        added.mutable_gone()->Assign(lines.gone.begin(), lines.gone.end());
        added.mutable_come()->Assign(lines.come.begin(), lines.come.end());
    }
    return message;
}

ProcessExit from_message(const agent::v1::ExitStatus& message) {
    return {message.code(), message.signal(), message.oom_killed(),
            to_time(message.exited_at_unix_ns())};
}

PathStat from_message(const agent::v1::PathStat& message) {
    return {message.name(), message.size(), message.mode(), to_time(message.mtime_unix_ns()),
            message.link_target()};
}

Result<Statistics> parse_statistics(std::string_view serialised) {
    agent::v1::StatisticsResponse message;
    if (!message.ParseFromArray(serialised.data(), static_cast<int>(serialised.size())))
        return fail(ErrorKind::corrupt, "the guest's statistics cannot be read");
    Statistics statistics;
    statistics.cpu_usage_us = message.cpu_usage_us();
    statistics.cpu_user_us = message.cpu_user_us();
    statistics.cpu_system_us = message.cpu_system_us();
    statistics.cpu_throttled_us = message.cpu_throttled_us();
    statistics.memory_usage_bytes = message.memory_usage_bytes();
    statistics.memory_peak_bytes = message.memory_peak_bytes();
    statistics.memory_limit_bytes = message.memory_limit_bytes();
    statistics.memory_stat = {message.memory_stat().begin(), message.memory_stat().end()};
    statistics.pids_current = message.pids_current();
    statistics.pids_limit = message.pids_limit();
    statistics.oom_kills = message.oom_kills();
    statistics.block_read_bytes = message.block_read_bytes();
    statistics.block_write_bytes = message.block_write_bytes();
    statistics.system_cpu_us = message.system_cpu_us();
    statistics.online_cpus = message.online_cpus();
    statistics.listening = {message.listening().begin(), message.listening().end()};
    return statistics;
}

Result<std::vector<ProcessRow>> parse_processes(std::string_view serialised) {
    agent::v1::ListProcessesResponse message;
    if (!message.ParseFromArray(serialised.data(), static_cast<int>(serialised.size())))
        return fail(ErrorKind::corrupt, "the guest's list of processes cannot be read");
    std::vector<ProcessRow> rows;
    for (const auto& row : message.processes())
        rows.push_back({row.pid(), row.ppid(), row.uid(), row.user(), row.tty(),
                        std::chrono::milliseconds(row.cpu_time_ms()),
                        std::chrono::seconds(row.start_time_unix_s()), row.command()});
    return rows;
}

Result<std::vector<Change>> parse_changes(std::string_view list) {
    const auto kind_of = [](char letter) -> std::optional<Change::Kind> {
        switch (letter) {
            case 'A': return Change::Kind::added;
            case 'C': return Change::Kind::changed;
            case 'D': return Change::Kind::deleted;
            default: return std::nullopt;
        }
    };
    std::vector<Change> changes;
    while (!list.empty()) {
        const auto end = list.find('\0');
        const auto kind = kind_of(list.front());
        if (end == std::string_view::npos || !kind || !list.substr(1).starts_with('/'))
            return fail(ErrorKind::corrupt, "the guest's list of changes cannot be read");
        changes.push_back({*kind, std::string(list.substr(1, end - 1))});
        list.remove_prefix(end + 1);
    }
    return changes;
}

}  // namespace hako::guest
