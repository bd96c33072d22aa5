// Volumes.
#include <algorithm>
#include <array>

#include "dockerapi/container_request.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/version.h"
#include "dockerapi/volume_json.h"
#include "engine/list.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

// Before this version of the API, prune removed volumes with names, too.
constexpr ApiVersion kPrunesAnonymous{1, 42};

// The last of them; unset where the filter is not set.
Result<std::optional<bool>> last_boolean(const Filters& parsed, const char* name) {
    std::optional<bool> last;
    for (const auto& text : values_of(parsed, name)) {
        HAKO_TRY(last, boolean_filter(name, text));
    }
    return last;
}

bool matches_volume(const engine::VolumeDetails& details, const Filters& parsed,
                    std::optional<bool> dangling) {
    if (dangling && *dangling != (details.users == 0)) return false;
    const auto any = [&](const char* name, const auto& predicate) {
        const auto values = values_of(parsed, name);
        return values.empty() || std::ranges::any_of(values, predicate);
    };
    const auto labels = values_of(parsed, "label");
    return any("name",
               [&](const auto& part) {
                   return details.volume.name.find(part) != std::string::npos;
               }) &&
           any("driver", [&](const auto& driver) { return details.volume.driver == driver; }) &&
           std::ranges::all_of(labels, [&](const auto& label) {
               return engine::has_label(details.volume.labels, label);
           });
}

Result<void> list_volumes(const Services& services, Request& request, Response& response) {
    static constexpr std::array<std::string_view, 4> kKnown{"name", "driver", "dangling", "label"};
    HAKO_TRY(const auto parsed, filters(request.query, kKnown));
    HAKO_TRY(const auto dangling, last_boolean(parsed, "dangling"));
    HAKO_TRY(const auto volumes, services.volumes.list(false));
    Json found = Json::array();
    for (const auto& details : volumes)
        if (matches_volume(details, parsed, dangling)) found.push_back(volume_details(details));
    return response.send_json(200, {{"Volumes", found}, {"Warnings", nullptr}});
}

Result<void> create_volume(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request, true));
    if (const auto cluster = body.find("ClusterVolumeSpec");
        cluster != body.end() && !cluster->is_null())
        return fail(ErrorKind::unimplemented,
                    "volumes of a swarm's cluster are not offered by hako: leave out --scope, "
                    "--type, --availability and the like");
    volume::Volume wanted;
    HAKO_CHECK(read_field(body, "Name", wanted.name));
    HAKO_CHECK(read_field(body, "Driver", wanted.driver));
    HAKO_CHECK(read_field(body, "DriverOpts", wanted.options));
    HAKO_CHECK(read_field(body, "Labels", wanted.labels));
    if (wanted.driver.empty()) wanted.driver = volume::kLocal;
    HAKO_TRY(const auto made, services.volumes.create(std::move(wanted)));
    return response.send_json(201, volume_details(made));
}

Result<void> inspect_volume(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto details, services.volumes.inspect(request.parameter("name")));
    return response.send_json(200, volume_details(details));
}

Result<void> remove_volume(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.volumes.remove(request.parameter("name"), flag(request.query, "force")));
    return response.send_empty(204);
}

Result<void> prune_volumes(const Services& services, Request& request, Response& response) {
    static constexpr std::array<std::string_view, 3> kKnown{"all", "label", "label!"};
    HAKO_TRY(const auto parsed, filters(request.query, kKnown));
    HAKO_TRY(const auto all, last_boolean(parsed, "all"));
    const engine::VolumePruneFilter filter{
        .all = all.value_or(false) || version_of(request) < kPrunesAnonymous,
        .labels = values_of(parsed, "label"),
        .without = values_of(parsed, "label!")};
    HAKO_TRY(const auto pruned, services.volumes.prune(filter));
    return response.send_json(
        200, {{"VolumesDeleted", pruned.ids}, {"SpaceReclaimed", pruned.reclaimed}});
}

}  // namespace

Json volume_details(const engine::VolumeDetails& details) {
    const auto& volume = details.volume;
    Json json = {{"Name", volume.name},
                 {"Driver", volume.driver},
                 {"Mountpoint", details.mountpoint},
                 {"CreatedAt", format_time(volume.created)},
                 {"Labels", volume.labels.empty() ? Json(nullptr) : Json(volume.labels)},
                 {"Options", volume.options.empty() ? Json(nullptr) : Json(volume.options)},
                 {"Scope", "local"}};
    if (details.used_bytes)
        json["UsageData"] = {{"Size", *details.used_bytes}, {"RefCount", details.users}};
    return json;
}

// Docker's default for named volumes is a label of SELinux.
std::string mode_of(const engine::MountPoint& mount) {
    const bool named = mount.type == engine::MountType::volume && !mount.anonymous;
    return named && mount.mode.empty() ? "z" : mount.mode;
}

Json mount_points(const engine::Container& container) {
    Json list = Json::array();
    for (const auto& mount : container.mounts) {
        Json point = {
            {"Type", engine::to_string(mount.type)},
            {"Source", mount.source},
            {"Destination", mount.target},
            {"Mode", mode_of(mount)},
            {"RW", !mount.read_only},
            {"Propagation", mount.type == engine::MountType::bind && mount.propagation.empty()
                                ? "rprivate"
                                : mount.propagation}};
        if (mount.type == engine::MountType::volume) {
            point["Name"] = mount.name;
            point["Driver"] = mount.driver;
        }
        list.push_back(std::move(point));
    }
    return list;
}

void add_volume_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/volumes", list_volumes);
    routes.add("POST", "/volumes/create", create_volume);
    routes.add("POST", "/volumes/prune", prune_volumes);
    routes.add("GET", "/volumes/{name}", inspect_volume);
    routes.add("DELETE", "/volumes/{name}", remove_volume);
}

}  // namespace hako::dockerapi
