// Images that are here: list, inspect, history, tag, remove, prune and check.
#include <algorithm>
#include <array>

#include "dockerapi/image_filters.h"
#include "dockerapi/image_json.h"
#include "dockerapi/image_reference.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/usage.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> list_images(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto filter, ImageFilter::of_list(request.query, services.images));
    HAKO_TRY(auto images, services.images.list());
    const auto shared =
        flag(request.query, "shared-size") ? std::optional(shared_sizes(images)) : std::nullopt;
    Json answer = Json::array();
    for (auto& image : images) {
        if (!filter.keep(image)) continue;
        answer.push_back(image_summary(image, version_of(request)));
        if (flag(request.query, "manifests")) answer.back()["Manifests"] = image_manifests(image);
        if (shared) answer.back()["SharedSize"] = shared->at(image.id);
    }
    return response.send_json(200, answer);
}

Result<void> inspect_image(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto wanted, platform(request.query));
    HAKO_TRY(const auto image, services.images.find(request.parameter("name"), wanted));
    Json details = image_details(image, version_of(request));
    // Docker has left it out since API 1.45. docker-compose 1.29, which asks for the newest
    // version, looks for an image's volumes there, and ends when there is nothing.
    if (request.headers.find("User-Agent").value_or("").starts_with("docker-compose/1."))
        details["ContainerConfig"] = details["Config"];
    return response.send_json(200, details);
}

Result<void> history(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto wanted, platform(request.query));
    HAKO_TRY(const auto image, services.images.find(request.parameter("name"), wanted));
    return response.send_json(200, image_history(image));
}

Result<void> tag(const Services& services, Request& request, Response& response) {
    const std::string repository = request.query.value_or("repo", "");
    if (repository.empty()) return fail(ErrorKind::invalid, "repo is missing: name the new tag");
    HAKO_TRY(const auto reference, reference_of(repository, request.query.value_or("tag", "")));
    if (reference.digest)
        return fail(ErrorKind::invalid, "refusing to create a tag with a digest reference");
    HAKO_CHECK(services.images.tag(request.parameter("name"), reference));
    return response.send_empty(201);
}

Result<void> remove_image(const Services& services, Request& request, Response& response) {
    images::RemoveOptions options{.force = flag(request.query, "force")};
    HAKO_TRY(options.platform, platform(request.query, "platforms"));
    HAKO_TRY(const auto removed, services.images.remove(request.parameter("name"), options));
    return response.send_json(200, removed_images(removed));
}

// What one image had, name by name: what became used meanwhile stays.
Result<images::Removed> prune_one(ImageService& images, const images::Image& image) {
    std::vector<std::string> names = image.repo_tags;
    if (names.empty()) names = image.repo_digests;
    if (names.empty()) names = {image.id};
    images::Removed all;
    for (const auto& name : names) {
        auto removed = images.remove(name, {});
        // Gone already, or just taken by a container.
        if (!removed && (removed.error().kind() == ErrorKind::not_found ||
                         removed.error().kind() == ErrorKind::conflict))
            continue;
        if (!removed) return removed;
        std::ranges::move(removed->untagged, std::back_inserter(all.untagged));
        std::ranges::move(removed->deleted, std::back_inserter(all.deleted));
    }
    return all;
}

Result<void> prune_images(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto filter, ImageFilter::of_prune(request.query));
    const auto before = services.images.disk_usage();
    HAKO_TRY(const auto users, container_counts(services.containers));
    HAKO_TRY(auto images, services.images.list());
    Json deleted = Json::array();
    for (auto& image : images) {
        if (users.contains(image.id) || !filter.keep(image)) continue;
        HAKO_TRY(const auto removed, prune_one(services.images, image));
        for (auto& line : removed_images(removed)) deleted.push_back(std::move(line));
    }
    const auto after = services.images.disk_usage();
    return response.send_json(
        200, {{"ImagesDeleted", deleted.empty() ? Json(nullptr) : std::move(deleted)},
              {"SpaceReclaimed", before - std::min(before, after)}});
}

Result<void> check(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto report, services.images.check({.repair = flag(request.query, "repair"),
                                                       .stop = request.gone}));
    return response.send_json(200, check_report(report));
}

}  // namespace

void add_image_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/images/json", list_images);
    routes.add("GET", "/images/{name:*}/json", inspect_image);
    routes.add("GET", "/images/{name:*}/history", history);
    routes.add("POST", "/images/prune", prune_images);
    routes.add("POST", "/images/{name:*}/tag", tag);
    routes.add("DELETE", "/images/{name:*}", remove_image);
    routes.add("POST", "/hako/v1/system/check", check);
}

}  // namespace hako::dockerapi
