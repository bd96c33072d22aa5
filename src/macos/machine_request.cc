#include "macos/machine_request.h"

#include <algorithm>

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

// Releases and kexts that lie in a folder; OpenCore's own comes first, for it is what others add
// to.
std::vector<OpenCoreSource> sources_in(const fs::path& folder) {
    std::vector<OpenCoreSource> sources;
    std::error_code error;
    for (fs::directory_iterator item(folder, error), end; !error && item != end;
         item.increment(error))
        if (item->is_directory() || item->path().extension() == ".zip")
            sources.push_back({.path = item->path()});
    std::ranges::sort(sources, {}, [](const OpenCoreSource& source) {
        const auto name = source.path.filename().native();
        return std::pair(!name.starts_with("OpenCore"), name);
    });
    return sources;
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

Result<std::vector<OpenCoreSource>> opencore_sources(const MachineRequest& request) {
    std::vector<OpenCoreSource> sources;
    const auto given = request.variables.find("OPENCORE");
    if (given == request.variables.end() || given->second.empty()) {
        const auto folder = request.opencore.value_or(request.cache / kOpenCoreFolder);
        sources = sources_in(folder);
        if (sources.empty())
            return fail(
                ErrorKind::not_found,
                "there is no OpenCore to boot from: download the newest releases of OpenCorePkg, "
                "Lilu and VirtualSMC from https://github.com/acidanthera, and put the ZIP files "
                "(RELEASE) into {}, or name them with OPENCORE=FILE:FILE",
                folder.native());
    } else {
        std::string_view rest = given->second;
        while (!rest.empty()) {
            const auto colon = std::min(rest.find(':'), rest.size());
            const fs::path path = rest.substr(0, colon);
            if (!path.is_absolute())
                return fail(ErrorKind::invalid,
                            "OPENCORE={}: name files and folders of the host by whole paths",
                            given->second);
            sources.push_back({.path = path});
            rest.remove_prefix(std::min(colon + 1, rest.size()));
        }
        HAKO_CHECK(with_context(check_sources(sources), "OPENCORE"));
    }
    if (const auto sum = request.variables.find("OPENCORE_SHA256"); sum != request.variables.end())
        sources.front().sha256 = sum->second;
    return sources;
}

}  // namespace hako::macos
