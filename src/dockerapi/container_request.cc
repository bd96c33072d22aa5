#include "dockerapi/container_request.h"

#include "dockerapi/network_json.h"
#include "engine/health.h"

namespace hako::dockerapi {
namespace {

using Strings = std::vector<std::string>;

// "sh -c x" or ["sh", "-c", "x"]: older clients send one text for a command of one word.
Result<std::optional<Strings>> words(const Json& body, std::string_view name) {
    const auto found = body.find(name);
    if (found != body.end() && found->is_string()) return Strings{found->get<std::string>()};
    return json_field<Strings>(body, name);
}

Result<void> check_labels(const engine::StringMap& labels) {
    for (const auto& [name, value] : labels)
        if (name.empty() || (name + value).find('\0') != std::string::npos)
            return fail(ErrorKind::invalid, "field Labels holds an empty name or a NUL byte");
    return {};
}

Result<void> check_keys(const Json& body, std::string_view name) {
    const auto found = body.find(name);
    if (found == body.end() || found->is_null() || found->is_object()) return {};
    return fail(ErrorKind::invalid, "field {} has a wrong type", name);
}

// {"80/tcp": {}, "53/udp": {}}
Result<std::vector<std::string>> exposed_ports(const Json& body) {
    std::vector<std::string> exposed;
    const auto ports = body.find("ExposedPorts");
    if (ports == body.end() || !ports->is_object()) return exposed;
    for (const auto& [text, ignored] : ports->items()) {
        HAKO_TRY(auto port, parse_port("ExposedPorts", text));
        exposed.push_back(std::move(port));
    }
    return exposed;
}

// Before API 1.44 the MAC address stood beside the networks.
Result<void> apply_mac(const Json& body, engine::CreateRequest& request) {
    std::string mac;
    HAKO_CHECK(read_field(body, "MacAddress", mac));
    if (mac.empty()) return {};
    const std::string& mode = request.host_config.network_mode;
    request.endpoints[mode.empty() ? "default" : mode].mac = mac;
    return {};
}

}  // namespace

Result<void> check_environment(const Strings& env) {
    for (const auto& variable : env) {
        if (variable.empty() || variable.front() == '=')
            return fail(ErrorKind::invalid, "invalid environment variable: {}", variable);
        if (variable.find('\0') != std::string::npos)
            return fail(ErrorKind::invalid, "field Env holds a NUL byte");
    }
    return {};
}

Result<engine::ContainerConfig> parse_config(const Json& body) {
    engine::ContainerConfig config;
    HAKO_CHECK(read_field(body, "Hostname", config.hostname));
    HAKO_CHECK(read_field(body, "Domainname", config.domainname));
    HAKO_CHECK(read_field(body, "User", config.user));
    HAKO_CHECK(read_field(body, "Image", config.image));
    HAKO_CHECK(read_field(body, "WorkingDir", config.working_dir));
    HAKO_CHECK(read_field(body, "StopSignal", config.stop_signal));
    HAKO_CHECK(read_field<int>(body, "StopTimeout", config.stop_timeout));
    HAKO_CHECK(read_field(body, "Env", config.env));
    HAKO_TRY(config.entrypoint, words(body, "Entrypoint"));
    HAKO_TRY(config.cmd, words(body, "Cmd"));
    HAKO_CHECK(read_field(body, "Labels", config.labels));
    HAKO_CHECK(read_field(body, "Tty", config.tty));
    HAKO_CHECK(read_field(body, "OpenStdin", config.open_stdin));
    HAKO_CHECK(read_field(body, "StdinOnce", config.stdin_once));
    HAKO_CHECK(read_field(body, "AttachStdin", config.attach_stdin));
    HAKO_CHECK(read_field(body, "AttachStdout", config.attach_stdout));
    HAKO_CHECK(read_field(body, "AttachStderr", config.attach_stderr));
    // Kept as they are, for inspect.
    for (const auto* name : {"ExposedPorts", "Healthcheck", "Volumes"})
        HAKO_CHECK(check_keys(body, name));
    if (const auto check = body.find("Healthcheck"); check != body.end() && check->is_object()) {
        HAKO_TRY(config.healthcheck,
                 with_context(engine::parse_health_check(*check), "field Healthcheck"));
    }
    if (const auto volumes = body.find("Volumes"); volumes != body.end() && volumes->is_object())
        for (const auto& [target, ignored] : volumes->items()) config.volumes.push_back(target);
    if (config.image.empty())
        return fail(ErrorKind::invalid, "field Image is missing: name an image");
    HAKO_CHECK(check_environment(config.env));
    HAKO_CHECK(check_labels(config.labels));
    HAKO_TRY(config.exposed_ports, exposed_ports(body));
    return config;
}

Result<ParsedCreate> parse_create(const Json& body) {
    ParsedCreate parsed;
    engine::CreateRequest& request = parsed.request;
    HAKO_TRY(request.config, parse_config(body));
    Json config = body;
    for (const auto& [name, target] : {std::pair{"HostConfig", &request.host_config_json},
                                       std::pair{"NetworkingConfig", &request.networking_json}}) {
        HAKO_CHECK(check_keys(body, name));
        const auto part = body.find(name);
        *target = part != body.end() && part->is_object() ? dump_json(*part) : "{}";
        config.erase(name);
    }
    request.config_json = dump_json(config);
    if (const auto host = body.find("HostConfig"); host != body.end() && host->is_object()) {
        HAKO_TRY(request.host_config, parse_host_config(*host, parsed.warnings));
    }
    if (const auto networks = body.find("NetworkingConfig");
        networks != body.end() && networks->is_object()) {
        HAKO_TRY(request.endpoints, parse_networking(*networks));
    }
    HAKO_CHECK(apply_mac(body, request));
    return parsed;
}

Result<engine::ExecConfig> parse_exec(const Json& body) {
    engine::ExecConfig config;
    HAKO_CHECK(read_field(body, "Cmd", config.cmd));
    HAKO_CHECK(read_field(body, "Env", config.env));
    HAKO_CHECK(read_field(body, "User", config.user));
    HAKO_CHECK(read_field(body, "WorkingDir", config.working_dir));
    HAKO_CHECK(read_field(body, "Tty", config.tty));
    HAKO_CHECK(read_field(body, "Privileged", config.privileged));
    HAKO_CHECK(read_field(body, "AttachStdin", config.attach_stdin));
    HAKO_CHECK(read_field(body, "AttachStdout", config.attach_stdout));
    HAKO_CHECK(read_field(body, "AttachStderr", config.attach_stderr));
    HAKO_CHECK(read_field(body, "DetachKeys", config.detach_keys));
    if (config.cmd.empty() || config.cmd.front().empty())
        return fail(ErrorKind::invalid, "No exec command specified");
    HAKO_CHECK(check_environment(config.env));
    return config;
}

}  // namespace hako::dockerapi
