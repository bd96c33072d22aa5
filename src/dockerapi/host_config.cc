// HostConfig: what is offered, what is refused, what has no effect.
#include <algorithm>
#include <array>

#include "dockerapi/container_request.h"
#include "dockerapi/mount_request.h"
#include "dockerapi/network_json.h"

namespace hako::dockerapi {
namespace {

using Strings = std::vector<std::string>;

// Null, "", 0, false, [], {} and the objects of only such values ask for nothing.
bool is_unset(const Json& value) {
    if (value.is_null()) return true;
    if (value.is_boolean()) return !value.get<bool>();
    if (value.is_number()) return value == 0 || value == -1;
    if (value.is_string()) return value.get_ref<const std::string&>().empty();
    return value.empty();
}

struct Field {
    std::string_view name;
    std::string_view what;
};

// To ignore these would lose data, open nothing or weaken a promise: the client must know.
constexpr std::array kRefused{
    Field{"OomKillDisable", "disabling the OOM killer"},
    Field{"CgroupParent", "a parent cgroup: a container is a VM of its own"},
};
// Without effect here, but the container runs well without them.
constexpr std::array kIgnored{"BlkioWeight",         "BlkioWeightDevice",   "BlkioDeviceReadBps",
                              "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
                              "MemoryReservation",   "MemorySwappiness",    "CpuRealtimePeriod",
                              "CpuRealtimeRuntime"};

// What to do instead of sharing one of the host's namespaces.
constexpr std::array kNamespaces{
    Field{"PidMode", "run host tools on the host; hako top shows a container's processes"},
    Field{"IpcMode", "use private, shareable or none, and --shm-size for more shared memory"},
    Field{"UTSMode", "set names with --hostname and --domainname"},
    Field{"UsernsMode", "leave it out: root in the container is root of its VM only"},
    Field{"CgroupnsMode", "use private; --privileged makes the VM's cgroups writable"},
};

tl::unexpected<Error> not_offered(std::string_view what) {
    return fail(ErrorKind::unimplemented, "{} is not offered by this version of hako", what);
}

// Whoever asks for a runtime or an isolation relies on what it does. Ours, and what clients that
// know Docker's alone send.
Result<void> check_runtime(const Json& host) {
    constexpr std::array<std::string_view, 4> kRuntimes{"", "hako", "runc",
                                                        "io.containerd.runc.v2"};
    HAKO_TRY(const auto runtime, json_field_or<std::string>(host, "Runtime", ""));
    if (std::ranges::find(kRuntimes, runtime) == kRuntimes.end())
        return fail(ErrorKind::invalid,
                    "Runtime: unknown or invalid runtime name: {}: leave it out: every container "
                    "is a virtual machine",
                    runtime.substr(0, 64));
    HAKO_TRY(const auto isolation, json_field_or<std::string>(host, "Isolation", ""));
    if (!isolation.empty() && isolation != "default")
        return fail(ErrorKind::invalid,
                    "Isolation: invalid isolation '{}' on linux: leave it out or use default",
                    isolation.substr(0, 64));
    return {};
}

Result<void> refuse_what_must_not_be_ignored(const Json& host) {
    HAKO_CHECK(check_runtime(host));
    for (const auto& field : kRefused) {
        const auto found = host.find(field.name);
        if (found == host.end() || is_unset(*found)) continue;
        return not_offered(fmt::format("{}: {}", field.name, field.what));
    }
    // Sharing a namespace crosses the border of the VM.
    for (const auto& [name, instead] : kNamespaces) {
        HAKO_TRY(const auto mode, json_field_or<std::string>(host, name, ""));
        if (mode == "host")
            return fail(ErrorKind::invalid,
                        "{}: a container is a virtual machine and cannot share the host's "
                        "namespace: {}",
                        name, instead);
        const bool joins = mode.starts_with("container:");
        if (joins && (name == "UsernsMode" || name == "CgroupnsMode"))
            return fail(ErrorKind::invalid, "{}: another container's is not shared: {}", name,
                        instead);
        if (mode == "container:")
            return fail(ErrorKind::invalid, "{}: name the container: container:NAME", name);
        const bool own =
            mode == "private" || mode == "shareable" || (name == "IpcMode" && mode == "none");
        if (!joins && !mode.empty() && !own)
            return fail(ErrorKind::invalid, "invalid {}: {}: {}", name, mode.substr(0, 64),
                        instead);
    }
    return {};
}

Result<void> read_network(const Json& host, engine::HostConfig& config, Strings& warnings) {
    HAKO_CHECK(read_field(host, "NetworkMode", config.network_mode));
    const std::string& mode = config.network_mode;
    if (mode == "container:")
        return not_offered(fmt::format("NetworkMode: sharing the network of {}", mode));
    HAKO_TRY(config.port_bindings, parse_port_bindings(host));
    HAKO_CHECK(read_field(host, "PublishAllPorts", config.publish_all_ports));
    if (mode == "host" && !config.port_bindings.empty()) {
        warnings.emplace_back("Published ports are discarded when using host network mode");
        config.port_bindings.clear();
    }
    HAKO_CHECK(read_field(host, "Dns", config.dns));
    HAKO_CHECK(read_field(host, "DnsSearch", config.dns_search));
    HAKO_CHECK(read_field(host, "DnsOptions", config.dns_options));
    return read_field(host, "Links", config.links);
}

Result<void> read_restart_policy(const Json& host, engine::HostConfig& config) {
    HAKO_TRY(const auto policy, json_field_or<Json>(host, "RestartPolicy", Json::object()));
    const auto read = [&]() -> Result<void> {
        HAKO_CHECK(read_field(policy, "Name", config.restart_policy));
        return read_field(policy, "MaximumRetryCount", config.restart_retries);
    };
    return with_context(read(), "field RestartPolicy");
}

Result<std::vector<engine::Ulimit>> ulimits(const Json& host) {
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(host, "Ulimits", {}));
    std::vector<engine::Ulimit> limits;
    for (const auto& entry : list) {
        engine::Ulimit limit;
        const auto read = [&]() -> Result<void> {
            HAKO_CHECK(read_field(entry, "Name", limit.name));
            HAKO_CHECK(read_field(entry, "Soft", limit.soft));
            return read_field(entry, "Hard", limit.hard);
        };
        HAKO_CHECK(with_context(read(), "field Ulimits"));
        if (limit.name.empty()) return fail(ErrorKind::invalid, "field Ulimits: Name is missing");
        if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
            return fail(ErrorKind::invalid,
                        "field Ulimits: the soft limit of {} is above its hard limit", limit.name);
        limits.push_back(std::move(limit));
    }
    return limits;
}

Result<std::optional<engine::WindowSize>> console_size(const Json& host) {
    HAKO_TRY(const auto size, json_field_or<std::vector<std::uint32_t>>(host, "ConsoleSize", {}));
    if (size.empty() || (size.size() == 2 && size[0] == 0 && size[1] == 0)) return std::nullopt;
    if (size.size() != 2)
        return fail(ErrorKind::invalid, "field ConsoleSize must be [height, width]");
    return engine::WindowSize{.columns = size[1], .rows = size[0]};
}

// Signed, as Docker has it, where negative numbers mean nothing.
Result<void> read_amount(const Json& host, std::string_view name, std::uint64_t& target) {
    HAKO_TRY(const auto value, json_field_or<std::int64_t>(host, name, 0));
    if (value < 0) return fail(ErrorKind::invalid, "field {} must not be negative", name);
    target = static_cast<std::uint64_t>(value);
    return {};
}

// A VM has no swap: what asks for none is granted, what asks for some is warned of.
Result<void> check_swap(const Json& host, std::uint64_t memory) {
    HAKO_TRY(const auto swap, json_field_or<std::int64_t>(host, "MemorySwap", 0));
    if (swap < -1) return fail(ErrorKind::invalid, "field MemorySwap must be -1 or more");
    if (swap > 0 && memory == 0)
        return fail(ErrorKind::invalid,
                    "MemorySwap: You should always set the Memory limit when using Memoryswap "
                    "limit, see usage");
    if (swap > 0 && static_cast<std::uint64_t>(swap) < memory)
        return fail(ErrorKind::invalid,
                    "MemorySwap: Minimum memoryswap limit should be larger than memory limit, see "
                    "usage");
    return {};
}

Result<void> read_limits(const Json& host, engine::HostConfig& config) {
    HAKO_CHECK(read_amount(host, "Memory", config.memory));
    HAKO_CHECK(read_amount(host, "NanoCpus", config.nano_cpus));
    HAKO_CHECK(read_amount(host, "CpuShares", config.cpu_shares));
    HAKO_CHECK(read_amount(host, "CpuPeriod", config.cpu_period));
    HAKO_CHECK(read_field(host, "CpuQuota", config.cpu_quota));
    HAKO_CHECK(read_field(host, "PidsLimit", config.pids_limit));
    HAKO_CHECK(read_field(host, "CpusetCpus", config.cpuset_cpus));
    HAKO_CHECK(read_field(host, "CpusetMems", config.cpuset_mems));
    HAKO_CHECK(check_swap(host, config.memory));
    HAKO_CHECK(read_amount(host, "ShmSize", config.shm_size));
    HAKO_CHECK(read_field(host, "OomScoreAdj", config.oom_score_adj));
    HAKO_TRY(config.ulimits, ulimits(host));
    if (config.nano_cpus != 0 && (config.cpu_quota != 0 || config.cpu_period != 0))
        return fail(ErrorKind::invalid,
                    "Conflicting options: NanoCpus and CpuQuota or CpuPeriod cannot both be set");
    if (config.oom_score_adj < -1000 || config.oom_score_adj > 1000)
        return fail(ErrorKind::invalid, "field OomScoreAdj must be -1000 to 1000");
    return {};
}

Result<std::vector<engine::Device>> devices(const Json& host) {
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(host, "Devices", {}));
    std::vector<engine::Device> devices;
    for (const auto& entry : list) {
        engine::Device device;
        const auto read = [&]() -> Result<void> {
            HAKO_CHECK(read_field(entry, "PathOnHost", device.node));
            HAKO_CHECK(read_field(entry, "PathInContainer", device.path));
            return read_field(entry, "CgroupPermissions", device.permissions);
        };
        HAKO_CHECK(with_context(read(), "field Devices"));
        if (device.path.empty()) device.path = device.node;
        devices.push_back(std::move(device));
    }
    return devices;
}

// Names as CDI has them, which is how Docker's CLI sends `--device hako/usb=046d:c52b`.
Result<void> read_device_requests(const Json& host, std::vector<engine::Device>& devices) {
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(host, "DeviceRequests", {}));
    for (const auto& entry : list) {
        std::string driver;
        Strings ids;
        HAKO_CHECK(with_context(read_field(entry, "Driver", driver), "field DeviceRequests"));
        HAKO_CHECK(with_context(read_field(entry, "DeviceIDs", ids), "field DeviceRequests"));
        if (driver != "cdi")
            return not_offered(
                "DeviceRequests: asking for any GPU (--gpus): name the one that is "
                "meant (--device hako/pci=0000:01:00.0)");
        for (auto& id : ids)
            devices.push_back({.node = std::move(id), .path = {}, .permissions = {}});
    }
    return {};
}

// The VM is the border, and it has no such modules.
void warn_of_security_modules(const Strings& options, Strings& warnings) {
    for (const auto& option : options)
        for (const std::string_view name : {"apparmor", "label"})
            if (option.starts_with(name))
                warnings.push_back(fmt::format(
                    "SecurityOpt {} has no effect: the container's border is its VM.", name));
}

void warn_of_what_has_no_effect(const Json& host, Strings& warnings) {
    for (const auto* name : kIgnored) {
        const auto found = host.find(name);
        if (found != host.end() && !is_unset(*found))
            warnings.push_back(fmt::format("{} has no effect in this version of hako.", name));
    }
    const auto swap = host.find("MemorySwap");
    if (swap != host.end() && *swap > host.value("Memory", 0))
        warnings.push_back("MemorySwap has no effect: a container's VM has no swap.");
}

// -1 lifts a limit: in an update that is a change.
bool changes(const Json& value) { return !is_unset(value) || value == -1; }

}  // namespace

Result<engine::HostConfig> parse_host_config(const Json& host, Strings& warnings) {
    HAKO_CHECK(refuse_what_must_not_be_ignored(host));
    engine::HostConfig config;
    HAKO_CHECK(read_limits(host, config));
    HAKO_CHECK(read_field(host, "CapAdd", config.cap_add));
    HAKO_CHECK(read_field(host, "CapDrop", config.cap_drop));
    HAKO_CHECK(read_field(host, "GroupAdd", config.group_add));
    HAKO_CHECK(read_field(host, "SecurityOpt", config.security_opt));
    warn_of_security_modules(config.security_opt, warnings);
    HAKO_TRY(config.devices, devices(host));
    HAKO_CHECK(read_device_requests(host, config.devices));
    HAKO_CHECK(read_field(host, "DeviceCgroupRules", config.device_cgroup_rules));
    HAKO_CHECK(read_field(host, "ExtraHosts", config.extra_hosts));
    HAKO_CHECK(read_field(host, "Tmpfs", config.tmpfs));
    HAKO_CHECK(read_field(host, "Sysctls", config.sysctls));
    HAKO_CHECK(read_field(host, "Annotations", config.annotations));
    HAKO_CHECK(read_field(host, "StorageOpt", config.storage_opt));
    HAKO_CHECK(read_field<Strings>(host, "MaskedPaths", config.masked_paths));
    HAKO_CHECK(read_field<Strings>(host, "ReadonlyPaths", config.readonly_paths));
    HAKO_CHECK(read_field(host, "Privileged", config.privileged));
    HAKO_CHECK(read_field(host, "ReadonlyRootfs", config.readonly_rootfs));
    HAKO_CHECK(read_field(host, "AutoRemove", config.auto_remove));
    HAKO_CHECK(read_field(host, "Init", config.init));
    HAKO_CHECK(read_network(host, config, warnings));
    HAKO_CHECK(read_field(host, "PidMode", config.pid_mode));
    HAKO_CHECK(read_field(host, "IpcMode", config.ipc_mode));
    HAKO_CHECK(read_field(host, "UTSMode", config.uts_mode));
    HAKO_CHECK(read_restart_policy(host, config));
    HAKO_TRY(const auto log, json_field_or<Json>(host, "LogConfig", Json::object()));
    HAKO_CHECK(with_context(read_field(log, "Type", config.log_driver), "field LogConfig"));
    HAKO_CHECK(with_context(read_field(log, "Config", config.log_options), "field LogConfig"));
    HAKO_TRY(config.console_size, console_size(host));
    HAKO_CHECK(read_mounts(host, config, warnings));
    warn_of_what_has_no_effect(host, warnings);
    return config;
}

Result<ParsedUpdate> parse_update(const Json& body) {
    ParsedUpdate parsed;
    engine::HostConfig config;
    HAKO_CHECK(read_limits(body, config));
    HAKO_CHECK(read_restart_policy(body, config));
    warn_of_what_has_no_effect(body, parsed.warnings);
    const auto set = [](auto& target, const auto& value) {
        if (value != std::remove_cvref_t<decltype(value)>()) target = value;
    };
    engine::UpdateRequest& request = parsed.request;
    set(request.memory, config.memory);
    set(request.nano_cpus, config.nano_cpus);
    set(request.cpu_period, config.cpu_period);
    set(request.cpu_quota, config.cpu_quota);
    set(request.cpu_shares, config.cpu_shares);
    set(request.pids_limit, config.pids_limit);
    set(request.cpuset_cpus, config.cpuset_cpus);
    set(request.cpuset_mems, config.cpuset_mems);
    if (!config.restart_policy.empty()) {
        request.restart_policy = config.restart_policy;
        request.restart_retries = config.restart_retries;
    }
    Json kept = Json::object();
    for (const auto& [name, value] : body.items())
        if (name == "RestartPolicy" ? request.restart_policy.has_value() : changes(value))
            kept[name] = value;
    request.host_config_json = dump_json(kept);
    return parsed;
}

}  // namespace hako::dockerapi
