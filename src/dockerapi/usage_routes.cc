// Disk usage: GET /system/df.
#include <algorithm>
#include <set>

#include "dockerapi/container_json.h"
#include "dockerapi/image_json.h"
#include "dockerapi/routes.h"
#include "dockerapi/usage.h"
#include "dockerapi/volume_json.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<Json> images_usage(const Services& services, ApiVersion version) {
    HAKO_TRY(const auto images, services.images.list());
    HAKO_TRY(const auto users, container_counts(services.containers));
    const auto shared = shared_sizes(images);
    Json list = Json::array();
    for (const auto& image : images) {
        Json line = image_summary(image, version);
        const auto count = users.find(image.id);
        line["Containers"] = count == users.end() ? 0 : count->second;
        line["SharedSize"] = shared.at(image.id);
        list.push_back(std::move(line));
    }
    return list;
}

Result<void> disk_usage(const Services& services, Request& request, Response& response) {
    // Without "type" all of them.
    const auto types = request.query.all("type");
    const auto wanted = [&](const char* type) {
        return types.empty() || std::ranges::find(types, type) != types.end();
    };
    Json answer = {{"LayersSize", 0},
                   {"Images", nullptr},
                   {"Containers", nullptr},
                   {"Volumes", Json::array()},
                   {"BuildCache", nullptr}};
    if (wanted("image")) {
        answer["LayersSize"] = services.images.disk_usage();
        HAKO_TRY(answer["Images"], images_usage(services, version_of(request)));
    }
    if (wanted("container")) {
        HAKO_TRY(answer["Containers"], container_list(services, {.all = true, .with_size = true}));
    }
    if (wanted("volume")) {
        HAKO_TRY(const auto volumes, services.volumes.list(true));
        for (const auto& details : volumes) answer["Volumes"].push_back(volume_details(details));
    }
    return response.send_json(200, answer);
}

}  // namespace

Result<Json> container_list(const Services& services, const engine::ListFilter& filter) {
    HAKO_TRY(const auto containers, services.containers.list(filter));
    const WallTime moment = now();
    Json list = Json::array();
    for (const auto& container : containers) {
        Json line = container_summary(container, moment);
        add_sizes(line, services, container);
        list.push_back(std::move(line));
    }
    return list;
}

void add_sizes(Json& json, const Services& services, const engine::Container& container) {
    if (!container.size_rw) return;
    const auto image = services.images.find(container.image_id, {});
    json["SizeRw"] = *container.size_rw;
    json["SizeRootFs"] = *container.size_rw + (image ? image->size : 0);
}

Result<std::map<std::string, int>> container_counts(const ContainerService& containers) {
    HAKO_TRY(const auto found, containers.list({.all = true}));
    std::map<std::string, int> counts;
    for (const auto& container : found) ++counts[container.image_id];
    return counts;
}

std::map<std::string, std::uint64_t> shared_sizes(const std::vector<images::Image>& images) {
    std::map<std::string, int> users;  // of a layer, by its diff_id
    for (const auto& image : images)
        for (const auto& layer : std::set(image.diff_ids.begin(), image.diff_ids.end()))
            ++users[layer];
    std::map<std::string, std::uint64_t> shared;
    for (const auto& image : images) {
        auto& bytes = shared[image.id];
        for (std::size_t i = 0; i < image.diff_ids.size(); ++i)
            if (users[image.diff_ids[i]] > 1) bytes += image.layer_sizes.at(i);
    }
    return shared;
}

void add_usage_routes(http::Router& router, const Services& services) {
    Routes(router, services).add("GET", "/system/df", disk_usage);
}

}  // namespace hako::dockerapi
