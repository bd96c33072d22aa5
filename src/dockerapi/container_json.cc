#include "dockerapi/container_json.h"

#include <array>

#include "dockerapi/network_json.h"
#include "dockerapi/volume_json.h"

namespace hako::dockerapi {
namespace {

std::vector<std::string> arguments(const engine::Container& container) {
    if (container.command.empty()) return {};
    return {container.command.begin() + 1, container.command.end()};
}

std::string program(const engine::Container& container) {
    return container.command.empty() ? "" : container.command.front();
}

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

// A command of no words is shown as none.
Json words(const std::optional<std::vector<std::string>>& value) {
    return value && !value->empty() ? Json(*value) : Json(nullptr);
}

Json health_details(const engine::HealthState& health) {
    Json log = Json::array();
    for (const auto& probe : health.log)
        log.push_back({{"Start", format_time(probe.start)},
                       {"End", format_time(probe.end)},
                       {"ExitCode", probe.exit_code},
                       {"Output", probe.output}});
    return {{"Status", engine::to_string(health.status)},
            {"FailingStreak", health.failing_streak},
            {"Log", log}};
}

Json health_check_details(const engine::HealthCheck& check) {
    Json json = {{"Test", check.test}};
    for (const auto& [name, span] :
         {std::pair("Interval", check.interval), std::pair("Timeout", check.timeout),
          std::pair("StartPeriod", check.start_period),
          std::pair("StartInterval", check.start_interval)})
        if (span.count() != 0) json[name] = span.count();
    if (check.retries != 0) json["Retries"] = check.retries;
    return json;
}

Json state_details(const engine::Container& container) {
    const engine::ContainerState& state = container.state;
    Json json = {{"Status", engine::to_string(state.status)},
                 {"Running", state.running() || state.status == engine::Status::restarting},
                 {"Paused", state.status == engine::Status::paused},
                 {"Restarting", state.status == engine::Status::restarting},
                 {"OOMKilled", state.oom_killed},
                 {"Dead", state.status == engine::Status::dead},
                 {"Pid", state.pid},
                 {"ExitCode", state.exit_code},
                 {"Error", state.error},
                 {"StartedAt", format_time(state.started_at)},
                 {"FinishedAt", format_time(state.finished_at)}};
    if (container.health) json["Health"] = health_details(*container.health);
    return json;
}

// Fields of Config that are left out where they say nothing.
constexpr std::array kOnlyWhereSet{"ExposedPorts", "Healthcheck", "StopSignal",      "StopTimeout",
                                   "Shell",        "MacAddress",  "NetworkDisabled", "ArgsEscaped"};

bool is_nothing(const Json& value) {
    return value.empty() || value == "" || value == false || value == 0;
}

// {"80/tcp": {}}
Json as_keys(const std::vector<std::string>& names) {
    Json json = Json::object();
    for (const auto& name : names) json[name] = Json::object();
    return json;
}

Json config_details(const engine::Container& container) {
    const engine::ContainerConfig& config = container.config;
    Json json = as_sent(container.config_json);
    // With those of the image.
    if (!config.exposed_ports.empty()) json["ExposedPorts"] = as_keys(config.exposed_ports);
    if (!config.volumes.empty()) json["Volumes"] = as_keys(config.volumes);
    for (const char* always : {"Volumes", "OnBuild"})
        if (json[always].empty()) json[always] = nullptr;
    for (const char* name : kOnlyWhereSet)
        if (const auto found = json.find(name); found != json.end() && is_nothing(*found))
            json.erase(found);
    json.update(
        {{"Hostname", config.hostname.empty() ? container.id.substr(0, 12) : config.hostname},
         {"Domainname", config.domainname},
         {"User", config.user},
         {"AttachStdin", config.attach_stdin},
         {"AttachStdout", config.attach_stdout},
         {"AttachStderr", config.attach_stderr},
         {"Tty", config.tty},
         {"OpenStdin", config.open_stdin},
         {"StdinOnce", config.stdin_once},
         {"Env", config.env},
         {"Cmd", words(config.cmd)},
         {"Image", config.image},
         {"WorkingDir", config.working_dir},
         {"Entrypoint", words(config.entrypoint)},
         {"Labels", config.labels}});
    if (config.healthcheck) json["Healthcheck"] = health_check_details(*config.healthcheck);
    if (!config.stop_signal.empty()) json["StopSignal"] = config.stop_signal;
    if (config.stop_timeout) json["StopTimeout"] = *config.stop_timeout;
    return json;
}

// Like a shell line, but only words with a space are quoted.
std::string command_line(const engine::Container& container) {
    std::string line = program(container);
    for (const auto& argument : arguments(container))
        line += argument.find(' ') == std::string::npos ? " " + argument : " '" + argument + "'";
    return line;
}

std::int64_t unix_seconds(WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

bool is_image_config(std::string_view name) {
    constexpr std::array<std::string_view, 12> kNames{
        "User",   "ExposedPorts", "Env",         "Entrypoint", "Cmd",     "Volumes",
        "Labels", "WorkingDir",   "Healthcheck", "StopSignal", "OnBuild", "Shell"};
    return std::ranges::find(kNames, name) != kNames.end();
}

Json image_config(const engine::Container& container) {
    const Json all = config_details(container);
    Json config = Json::object();
    for (const auto& [name, value] : all.items())
        if (is_image_config(name) && !value.empty() && value != "") config[name] = value;
    return config;
}

Json container_details(const engine::Container& container, ApiVersion version) {
    return {{"Id", container.id},
            {"Created", format_time(container.created)},
            {"Path", program(container)},
            {"Args", arguments(container)},
            {"State", state_details(container)},
            {"Image", container.image_id},
            {"ResolvConfPath", ""},
            {"HostnamePath", ""},
            {"HostsPath", ""},
            {"LogPath", container.log_path},
            {"Name", "/" + container.name},
            {"RestartCount", container.state.restart_count},
            {"Driver", "erofs"},
            {"Platform", "linux"},
            {"MountLabel", ""},
            {"ProcessLabel", ""},
            {"AppArmorProfile", ""},
            {"ExecIDs", container.exec_ids.empty() ? Json(nullptr) : Json(container.exec_ids)},
            {"HostConfig", host_config_details(container)},
            {"GraphDriver", {{"Name", "erofs"}, {"Data", Json::object()}}},
            {"Mounts", mount_points(container)},
            {"Config", config_details(container)},
            {"NetworkSettings", network_settings(container, version)}};
}

std::string health_text(const std::optional<engine::HealthState>& health) {
    if (!health) return "";
    if (health->status == engine::Health::starting) return " (health: starting)";
    return fmt::format(" ({})", engine::to_string(health->status));
}

std::string status_text(const engine::Container& container, WallTime moment) {
    const engine::ContainerState& state = container.state;
    const auto since = [&](WallTime time) {
        const auto span = std::chrono::duration_cast<std::chrono::seconds>(moment - time);
        return format_span(std::max(span, std::chrono::seconds(0)));
    };
    switch (state.status) {
        case engine::Status::running:
            return fmt::format("Up {}{}", since(state.started_at), health_text(container.health));
        case engine::Status::paused: return fmt::format("Up {} (Paused)", since(state.started_at));
        case engine::Status::restarting:
            return fmt::format("Restarting ({}) {} ago", state.exit_code, since(state.finished_at));
        case engine::Status::removing: return "Removal In Progress";
        case engine::Status::created: return "Created";
        case engine::Status::dead: return "Dead";
        case engine::Status::exited: break;
    }
    if (state.finished_at == WallTime{}) return fmt::format("Exited ({})", state.exit_code);
    return fmt::format("Exited ({}) {} ago", state.exit_code, since(state.finished_at));
}

Json container_summary(const engine::Container& container, WallTime moment) {
    return {{"Id", container.id},
            {"Names", {"/" + container.name}},
            {"Image", container.config.image},
            {"ImageID", container.image_id},
            {"Command", command_line(container)},
            {"Created", unix_seconds(container.created)},
            {"Ports", port_summaries(container)},
            {"Labels", container.config.labels},
            {"State", engine::to_string(container.state.status)},
            {"Status", status_text(container, moment)},
            {"HostConfig", {{"NetworkMode", network_mode(container)}}},
            {"NetworkSettings", {{"Networks", attached_networks(container)}}},
            {"Mounts", mount_points(container)}};
}

Json exec_details(const engine::Exec& exec) {
    const engine::ExecConfig& config = exec.config;
    const std::vector<std::string> rest(
        config.cmd.empty() ? config.cmd.end() : config.cmd.begin() + 1, config.cmd.end());
    Json process = {{"tty", config.tty},
                    {"entrypoint", config.cmd.empty() ? "" : config.cmd.front()},
                    {"arguments", rest},
                    {"privileged", config.privileged}};
    if (!config.user.empty()) process["user"] = config.user;
    return {{"ID", exec.id},
            {"Running", exec.running},
            {"ExitCode", or_null(exec.exit_code)},
            {"ProcessConfig", process},
            {"OpenStdin", config.attach_stdin},
            {"OpenStdout", config.attach_stdout},
            {"OpenStderr", config.attach_stderr},
            {"CanRemove", false},
            {"ContainerID", exec.container_id},
            {"DetachKeys", config.detach_keys},
            {"Pid", exec.pid}};
}

}  // namespace hako::dockerapi
