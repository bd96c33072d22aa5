#include "macos/machine_request.h"

#include "base/text.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAnnotation = "io.hako.macos";

void write_path(Json& json, const char* name, const std::optional<fs::path>& path) {
    if (path) json[name] = path->native();
}

Result<void> read_path(const Json& json, const char* name, std::optional<fs::path>& path) {
    HAKO_TRY(const auto text, json_field<std::string>(json, name));
    if (text) path = *text;
    return {};
}

std::string value_of(const Variables& variables, const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
}

Result<fs::path> host_path(std::string_view name, std::string_view text) {
    const fs::path path = text;
    if (path.is_absolute()) return path;
    return fail(ErrorKind::invalid, "{}={}: name files and folders of the host by whole paths",
                name, text);
}

// Of the variable OPENCORE.
Result<std::vector<OpenCoreSource>> listed_sources(const Variables& variables) {
    std::vector<fs::path> paths;
    const auto given = value_of(variables, "OPENCORE");
    for (const auto part : split(given, ':')) {
        if (part.empty()) continue;
        HAKO_TRY(auto path, host_path("OPENCORE", part));
        paths.push_back(std::move(path));
    }
    return with_context(sources_at(paths), "OPENCORE");
}

Result<std::vector<OpenCoreSource>> mounted_sources(const fs::path& folder) {
    auto sources = sources_in(folder);
    if (sources.empty())
        return fail(ErrorKind::not_found,
                    "{} holds no OpenCore: put the ZIP files (RELEASE) of OpenCorePkg, Lilu and "
                    "VirtualSMC there, or do not mount it: then they are downloaded",
                    folder.native());
    return sources;
}

bool names_download(const Variables& variables) {
    return !value_of(variables, "OPENCORE_LIST").empty() ||
           !value_of(variables, "OPENCORE_MIRROR").empty();
}

Result<void> check_named_sum(const Variables& variables) {
    const auto sum = value_of(variables, "OPENCORE_SHA256");
    if (sum.empty() || is_sha256(sum)) return {};
    return fail(ErrorKind::invalid, "OPENCORE_SHA256={}: a SHA-256 has 64 hexadecimal digits", sum);
}

}  // namespace

Json to_json(const MachineRequest& request) {
    Json json{{"name", request.name},
              {"variables", request.variables},
              {"storage", request.storage.native()},
              {"cache", request.cache.native()},
              {"api", request.api}};
    Json& viewer = json["viewer"] = Json::array();
    for (const auto& place : request.viewer)
        viewer.push_back({{"address", place.address}, {"port", place.port}});
    Json& ports = json["ports"] = Json::array();
    for (const auto& port : request.ports)
        ports.push_back({{"protocol", port.protocol},
                         {"host", port.host},
                         {"guest", port.guest},
                         {"address", port.address}});
    Json& folders = json["disk_folders"] = Json::array();
    for (const auto& [disk, path] : request.disk_folders)
        folders.push_back({{"disk", disk}, {"path", path.native()}});
    write_path(json, "opencore", request.opencore);
    write_path(json, "from", request.from);
    write_path(json, "recovery", request.recovery);
    write_path(json, "custom_config", request.custom_config);
    write_path(json, "share", request.share);
    return json;
}

Result<MachineRequest> machine_request_from_json(const Json& json) {
    MachineRequest request;
    HAKO_TRY(request.name, json_field_or<std::string>(json, "name", {}));
    HAKO_TRY(request.variables, json_field_or<Variables>(json, "variables", {}));
    HAKO_TRY(request.storage, json_field_or<std::string>(json, "storage", {}));
    HAKO_TRY(request.cache, json_field_or<std::string>(json, "cache", {}));
    HAKO_TRY(const auto viewer, json_field_or(json, "viewer", Json::array()));
    if (!viewer.empty()) request.viewer.clear();
    for (const Json& item : viewer) {
        ViewerPlace place;
        HAKO_TRY(place.address, json_field_or(item, "address", place.address));
        HAKO_TRY(place.port, json_field_or(item, "port", place.port));
        request.viewer.push_back(std::move(place));
    }
    HAKO_TRY(request.api, json_field_or<std::string>(json, "api", {}));
    HAKO_TRY(const auto ports, json_field_or(json, "ports", Json::array()));
    for (const Json& item : ports) {
        PortForward port;
        HAKO_TRY(port.protocol, json_field_or<std::string>(item, "protocol", "tcp"));
        HAKO_TRY(port.host, json_field_or(item, "host", port.host));
        HAKO_TRY(port.guest, json_field_or(item, "guest", port.guest));
        HAKO_TRY(port.address, json_field_or(item, "address", port.address));
        request.ports.push_back(std::move(port));
    }
    HAKO_TRY(const auto folders, json_field_or(json, "disk_folders", Json::array()));
    for (const Json& item : folders) {
        HAKO_TRY(const auto disk, json_field_or<std::size_t>(item, "disk", 0));
        HAKO_TRY(request.disk_folders[disk], json_field_or<std::string>(item, "path", {}));
    }
    HAKO_CHECK(read_path(json, "opencore", request.opencore));
    HAKO_CHECK(read_path(json, "from", request.from));
    HAKO_CHECK(read_path(json, "recovery", request.recovery));
    HAKO_CHECK(read_path(json, "custom_config", request.custom_config));
    HAKO_CHECK(read_path(json, "share", request.share));
    if (request.storage.empty() || request.cache.empty())
        return fail(ErrorKind::invalid, "a macOS machine needs a folder for its disks and a cache");
    return request;
}

std::string machine_config(const MachineRequest& request) {
    return dump_json({{"ociVersion", "1.0.2"},
                      {"annotations", {{std::string(kAnnotation), dump_json(to_json(request))}}}});
}

Result<MachineRequest> machine_request_of(std::string_view config) {
    HAKO_TRY(const auto json, with_context(parse_json(config), "config.json"));
    HAKO_TRY(const auto annotations, json_field_or(json, "annotations", Json::object()));
    HAKO_TRY(const auto text,
             json_field_or<std::string>(annotations, std::string(kAnnotation), {}));
    HAKO_TRY(const auto request, with_context(parse_json(text), kAnnotation));
    return with_context(machine_request_from_json(request), kAnnotation);
}

Result<std::vector<OpenCoreSource>> named_opencore(const MachineRequest& request) {
    const auto& variables = request.variables;
    HAKO_CHECK(check_named_sum(variables));
    HAKO_TRY(auto sources, listed_sources(variables));
    if (sources.empty() && request.opencore) {
        HAKO_TRY(sources, mounted_sources(*request.opencore));
    }
    if (sources.empty() && !names_download(variables))
        sources = sources_in(request.cache / kOpenCoreFolder);
    HAKO_CHECK(with_context(require_sum(sources, value_of(variables, "OPENCORE_SHA256")),
                            "OPENCORE_SHA256"));
    return sources;
}

Result<OpenCoreOptions> opencore_options(const Variables& variables) {
    const auto list = value_of(variables, "OPENCORE_LIST");
    if (!list.empty()) HAKO_CHECK(host_path("OPENCORE_LIST", list));
    return with_context(opencore_options(list, value_of(variables, "OPENCORE_MIRROR")),
                        "OPENCORE_LIST, OPENCORE_MIRROR");
}

Result<std::vector<OpenCoreSource>> find_opencore(const MachineRequest& request,
                                                  OpenCoreWatch watch,
                                                  const std::stop_token& stop) {
    HAKO_TRY(auto named, named_opencore(request));
    if (!named.empty()) return named;
    HAKO_TRY(auto options, opencore_options(request.variables));
    options.watch = std::move(watch);
    return OpenCoreCache(request.cache / kFetchedOpenCoreFolder, std::move(options)).fetch(stop);
}

Result<std::optional<fs::path>> named_recovery(const Variables& variables) {
    const auto recovery = value_of(variables, "RECOVERY");
    if (recovery.empty()) return std::nullopt;
    HAKO_TRY(auto path, host_path("RECOVERY", recovery));
    std::error_code error;
    if (fs::is_regular_file(path, error)) return path;
    return fail(ErrorKind::not_found,
                "RECOVERY: there is no file {}: name a recovery system (.dmg), or leave it out: "
                "then it is downloaded from Apple",
                recovery);
}

Result<void> check_named_files(const Variables& variables) {
    HAKO_CHECK(check_named_sum(variables));
    HAKO_CHECK(listed_sources(variables));
    HAKO_CHECK(opencore_options(variables));
    HAKO_CHECK(named_recovery(variables));
    return {};
}

}  // namespace hako::macos
