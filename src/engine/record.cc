#include "engine/record.h"

#include "base/json.h"

namespace hako::engine {
namespace {

// Visits every field of a struct with its key, so that writing and reading cannot drift apart.
template <typename Mount, typename Visit>
void each_field_of_mount(Mount& mount, const Visit& visit) {
    visit("name", mount.name);
    visit("source", mount.source);
    visit("target", mount.target);
    visit("driver", mount.driver);
    visit("mode", mount.mode);
    visit("propagation", mount.propagation);
    visit("subpath", mount.subpath);
    visit("tmpfs_options", mount.tmpfs_options);
    visit("read_only", mount.read_only);
    visit("copy_up", mount.copy_up);
    visit("anonymous", mount.anonymous);
    visit("make_source", mount.make_source);
}

template <typename Config, typename Visit>
void each_field_of_config(Config& config, const Visit& visit) {
    visit("hostname", config.hostname);
    visit("domainname", config.domainname);
    visit("user", config.user);
    visit("image", config.image);
    visit("working_dir", config.working_dir);
    visit("stop_signal", config.stop_signal);
    visit("stop_timeout", config.stop_timeout);
    visit("env", config.env);
    visit("entrypoint", config.entrypoint);
    visit("cmd", config.cmd);
    visit("labels", config.labels);
    visit("exposed_ports", config.exposed_ports);
    visit("volumes", config.volumes);
    visit("healthcheck", config.healthcheck);
    visit("tty", config.tty);
    visit("open_stdin", config.open_stdin);
    visit("stdin_once", config.stdin_once);
    visit("attach_stdin", config.attach_stdin);
    visit("attach_stdout", config.attach_stdout);
    visit("attach_stderr", config.attach_stderr);
}

template <typename Config, typename Visit>
void each_field_of_host_config(Config& config, const Visit& visit) {
    visit("memory", config.memory);
    visit("nano_cpus", config.nano_cpus);
    visit("cpu_quota", config.cpu_quota);
    visit("cpu_period", config.cpu_period);
    visit("cpu_shares", config.cpu_shares);
    visit("cpuset_cpus", config.cpuset_cpus);
    visit("cpuset_mems", config.cpuset_mems);
    visit("pids_limit", config.pids_limit);
    visit("ulimits", config.ulimits);
    visit("cap_add", config.cap_add);
    visit("cap_drop", config.cap_drop);
    visit("group_add", config.group_add);
    visit("security_opt", config.security_opt);
    visit("extra_hosts", config.extra_hosts);
    visit("volumes_from", config.volumes_from);
    visit("tmpfs", config.tmpfs);
    visit("sysctls", config.sysctls);
    visit("annotations", config.annotations);
    visit("storage_opt", config.storage_opt);
    visit("masked_paths", config.masked_paths);
    visit("readonly_paths", config.readonly_paths);
    visit("shm_size", config.shm_size);
    visit("oom_score_adj", config.oom_score_adj);
    visit("privileged", config.privileged);
    visit("readonly_rootfs", config.readonly_rootfs);
    visit("auto_remove", config.auto_remove);
    visit("init", config.init);
    visit("restart_policy", config.restart_policy);
    visit("restart_retries", config.restart_retries);
    visit("log_driver", config.log_driver);
    visit("log_options", config.log_options);
    visit("network_mode", config.network_mode);
    visit("pid_mode", config.pid_mode);
    visit("ipc_mode", config.ipc_mode);
    visit("uts_mode", config.uts_mode);
    visit("devices", config.devices);
    visit("port_bindings", config.port_bindings);
    visit("publish_all_ports", config.publish_all_ports);
    visit("dns", config.dns);
    visit("dns_search", config.dns_search);
    visit("dns_options", config.dns_options);
    visit("links", config.links);
    visit("device_cgroup_rules", config.device_cgroup_rules);
    visit("console_size", config.console_size);
}

struct FieldWriter {
    Json& json;

    template <typename T>
    void operator()(const char* key, const T& value) const {
        json[key] = value;
    }
    template <typename T>
    void operator()(const char* key, const std::optional<T>& value) const {
        if (value) (*this)(key, *value);
    }
    void operator()(const char* key, const std::vector<Ulimit>& limits) const {
        Json& list = json[key] = Json::array();
        for (const Ulimit& limit : limits) list.push_back({limit.name, limit.soft, limit.hard});
    }
    void operator()(const char* key, const std::vector<Device>& devices) const {
        Json& list = json[key] = Json::array();
        for (const Device& device : devices)
            list.push_back({device.node, device.path, device.permissions});
    }
    void operator()(const char* key, const std::vector<PublishedPort>& ports) const {
        Json& list = json[key] = Json::array();
        for (const auto& port : ports)
            list.push_back({port.container_port, port.host_ip, port.host_port});
    }
    void operator()(const char* key, const std::vector<MountPoint>& mounts) const {
        Json& list = json[key] = Json::array();
        for (const MountPoint& mount : mounts) {
            Json item = {{"type", to_string(mount.type)}};
            each_field_of_mount(mount, FieldWriter{item});
            list.push_back(std::move(item));
        }
    }
    void operator()(const char* key, const HealthCheck& check) const {
        json[key] = {{"test", check.test},
                     {"interval", check.interval.count()},
                     {"timeout", check.timeout.count()},
                     {"start_period", check.start_period.count()},
                     {"start_interval", check.start_interval.count()},
                     {"retries", check.retries}};
    }
    void operator()(const char* key, const WindowSize& size) const {
        json[key] = {size.columns, size.rows};
    }
};

// Keeps the first error; after it nothing is read.
struct FieldReader {
    const Json& json;
    Result<void>& result;

    template <typename T>
    void operator()(const char* key, T& target) const {
        if (auto value = read<T>(key); value && *value) target = **std::move(value);
    }
    template <typename T>
    void operator()(const char* key, std::optional<T>& target) const {
        if (auto value = read<T>(key); value) target = *std::move(value);
    }
    void operator()(const char* key, std::vector<PublishedPort>& target) const {
        const auto list = read<std::vector<std::vector<std::string>>>(key);
        if (!list || !*list) return;
        for (const auto& item : **list) {
            if (item.size() != 3) {
                result = fail(ErrorKind::corrupt, "field {} has a wrong length", key);
                return;
            }
            target.push_back({item[0], item[1], item[2]});
        }
    }
    void operator()(const char* key, std::vector<Ulimit>& target) const {
        const auto list = read<std::vector<Json>>(key);
        if (!list || !*list) return;
        for (const Json& item : **list) {
            if (item.size() != 3 || !item[0].is_string() || !item[1].is_number_integer() ||
                !item[2].is_number_integer())
                return refuse(key);
            target.push_back({item[0], item[1], item[2]});
        }
    }
    void operator()(const char* key, std::vector<Device>& target) const {
        const auto list = read<std::vector<std::vector<std::string>>>(key);
        if (!list || !*list) return;
        for (const auto& item : **list) {
            if (item.size() != 3) return refuse(key);
            target.push_back({item[0], item[1], item[2]});
        }
    }
    void operator()(const char* key, std::vector<MountPoint>& target) const {
        const auto list = read<std::vector<Json>>(key);
        if (!list || !*list) return;
        for (const Json& item : **list) {
            MountPoint mount;
            const FieldReader fields{item, result};
            std::string type;
            fields("type", type);
            for (const auto known : kMountTypes)
                if (type == to_string(known)) mount.type = known;
            each_field_of_mount(mount, fields);
            target.push_back(std::move(mount));
        }
    }
    void operator()(const char* key, std::optional<HealthCheck>& target) const {
        const auto object = read<Json>(key);
        if (!object || !*object) return;
        HealthCheck check;
        const FieldReader fields{**object, result};
        fields("test", check.test);
        fields("retries", check.retries);
        for (const auto& [name, span] :
             {std::pair("interval", &check.interval), std::pair("timeout", &check.timeout),
              std::pair("start_period", &check.start_period),
              std::pair("start_interval", &check.start_interval)}) {
            std::int64_t count = 0;
            fields(name, count);
            *span = std::chrono::nanoseconds(count);
        }
        target = check;
    }
    void operator()(const char* key, std::optional<WindowSize>& target) const {
        const auto pair = read<std::vector<std::uint32_t>>(key);
        if (!pair || !*pair) return;
        if ((*pair)->size() != 2) return refuse(key);
        target = WindowSize{(**pair)[0], (**pair)[1]};
    }

    template <typename T>
    Result<std::optional<T>> read(const char* key) const {
        if (!result) return std::optional<T>();
        auto value = json_field<T>(json, key);
        if (!value) result = fail(value.error());
        return value;
    }
    void refuse(const char* key) const {
        result = fail(ErrorKind::invalid, "field {} has a wrong form", key);
    }
};

template <typename Container, typename Visit>
void each_field_of_settings(Container& container, const Visit& visit) {
    visit("image_id", container.image_id);
    visit("config_json", container.config_json);
    visit("host_config_json", container.host_config_json);
    visit("networking_json", container.networking_json);
    visit("mounts", container.mounts);
    visit("command", container.command);
    visit("log_path", container.log_path);
    visit("kernel", container.kernel);
    visit("emulated", container.emulated);
}

Result<void> read_time(const Json& json, std::string_view key, WallTime& time) {
    HAKO_TRY(const std::string text, json_field_or<std::string>(json, key, ""));
    if (text.empty()) return {};
    HAKO_TRY(time, parse_time(text));
    return {};
}

Result<void> read_settings(std::string_view text, Container& container) {
    HAKO_TRY(const Json json, parse_json(text, {.max_bytes = 64U << 20U}));
    HAKO_CHECK(read_time(json, "created", container.created));
    HAKO_TRY(const Json config, json_field_or<Json>(json, "config", Json::object()));
    HAKO_TRY(const Json host_config, json_field_or<Json>(json, "host_config", Json::object()));
    Result<void> result;
    each_field_of_settings(container, FieldReader{json, result});
    each_field_of_config(container.config, FieldReader{config, result});
    each_field_of_host_config(container.host_config, FieldReader{host_config, result});
    return result;
}

Result<ContainerState> read_state(std::string_view text) {
    HAKO_TRY(const Json json, parse_json(text));
    ContainerState state;
    HAKO_TRY(const std::string status, json_field_or<std::string>(json, "status", ""));
    bool known = false;
    for (const Status candidate : {Status::created, Status::running, Status::paused,
                                   Status::restarting, Status::exited, Status::dead}) {
        if (status != to_string(candidate)) continue;
        state.status = candidate;
        known = true;
    }
    if (!known) return fail(ErrorKind::invalid, "status \"{}\" is unknown", status);
    HAKO_TRY(state.pid, json_field_or(json, "pid", 0));
    HAKO_TRY(state.exit_code, json_field_or(json, "exit_code", 0));
    HAKO_TRY(state.oom_killed, json_field_or(json, "oom_killed", false));
    HAKO_TRY(state.error, json_field_or<std::string>(json, "error", ""));
    HAKO_CHECK(read_time(json, "started_at", state.started_at));
    HAKO_CHECK(read_time(json, "finished_at", state.finished_at));
    HAKO_TRY(state.restart_count, json_field_or(json, "restart_count", 0));
    HAKO_TRY(state.vm, json_field_or<std::string>(json, "vm", ""));
    HAKO_TRY(state.stopped_by_user, json_field_or(json, "stopped_by_user", false));
    Result<void> result;
    FieldReader{json, result}("ports", state.ports);
    HAKO_CHECK(result);
    return state;
}

Error as_corrupt(const Error& error, std::string_view what) {
    return Error(ErrorKind::corrupt, error.message()).context(what);
}

}  // namespace

std::string_view to_string(Status status) {
    switch (status) {
        case Status::created: return "created";
        case Status::running: return "running";
        case Status::paused: return "paused";
        case Status::restarting: return "restarting";
        case Status::removing: return "removing";
        case Status::exited: return "exited";
        case Status::dead: return "dead";
    }
    return "dead";
}

std::string settings_to_json(const Container& container) {
    Json json = {{"created", format_time(container.created)},
                 {"config", Json::object()},
                 {"host_config", Json::object()}};
    each_field_of_settings(container, FieldWriter{json});
    each_field_of_config(container.config, FieldWriter{json["config"]});
    each_field_of_host_config(container.host_config, FieldWriter{json["host_config"]});
    return dump_json(json);
}

Result<void> settings_from_json(std::string_view text, Container& container) {
    if (auto read = read_settings(text, container); !read)
        return fail(as_corrupt(read.error(), "a container's settings are unreadable"));
    return {};
}

std::string state_to_json(const ContainerState& state) {
    Json json = {{"status", to_string(state.status)},
                 {"pid", state.pid},
                 {"exit_code", state.exit_code},
                 {"oom_killed", state.oom_killed},
                 {"error", state.error},
                 {"started_at", format_time(state.started_at)},
                 {"finished_at", format_time(state.finished_at)},
                 {"restart_count", state.restart_count},
                 {"stopped_by_user", state.stopped_by_user},
                 {"vm", state.vm}};
    FieldWriter{json}("ports", state.ports);
    return dump_json(json);
}

Result<ContainerState> state_from_json(std::string_view text) {
    auto state = read_state(text);
    if (!state) return fail(as_corrupt(state.error(), "a container's state is unreadable"));
    return state;
}

}  // namespace hako::engine
