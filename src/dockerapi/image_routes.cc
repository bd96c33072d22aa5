// Images: pull, list, inspect, tag, remove and load.
#include <fnmatch.h>
#include <algorithm>
#include <array>

#include "dockerapi/image_json.h"
#include "dockerapi/parameters.h"
#include "dockerapi/registry_auth.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

// A stream of JSON lines that begins with the first one: an error before that still has a status.
class ProgressStream {
public:
    explicit ProgressStream(Response& response) : response_(response) {}

    void write(std::string_view line) {
        if (!begun_) begun_ = response_.stream(200, "application/json");
        if (*begun_) (void)(**begun_)->write(line);  // a client that left is Request::gone
    }
    // The handler's answer: what failed becomes the last line, if there was a first.
    Result<void> end(const Result<void>& result) {
        if (!result && !begun_) return fail(result.error());
        if (!result) write(error_line(result.error()));
        if (!begun_) begun_ = response_.stream(200, "application/json");
        return {};
    }

private:
    Response& response_;
    std::optional<Result<http::ResponseStream*>> begun_;
};

// "name" and "tag" as clients split them; a digest comes as the tag, too.
Result<oci::Reference> reference_of(const std::string& name, const std::string& tag) {
    if (tag.empty()) return oci::Reference::parse(name);
    return oci::Reference::parse(name + (tag.find(':') == std::string::npos ? ":" : "@") + tag);
}

Result<void> create(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    if (query.has("fromSrc"))
        return fail(ErrorKind::unimplemented,
                    "importing a file system as an image is not offered by this version of hako");
    const std::string name = query.value_or("fromImage", "");
    if (name.empty()) return fail(ErrorKind::invalid, "fromImage is missing: name an image");
    HAKO_TRY(const auto reference, reference_of(name, query.value_or("tag", "")));
    images::PullOptions options;
    if (const auto platform = query.value_or("platform", ""); !platform.empty()) {
        HAKO_TRY(options.platform, oci::Platform::parse(platform));
    }
    HAKO_TRY(options.auth,
             parse_registry_auth(request.headers.find("X-Registry-Auth").value_or("")));
    ProgressStream stream(response);
    const auto pulled = services.images.pull(
        reference, options,
        [&](const images::Progress& progress) { stream.write(progress_line(progress)); },
        request.gone);
    return stream.end(pulled ? Result<void>() : fail(pulled.error()));
}

Result<void> load(const Services& services, Request& request, Response& response) {
    ProgressStream stream(response);
    const bool quiet = flag(request.query, "quiet");
    const auto loaded = services.images.load(*request.body, [&](const images::Progress& progress) {
        if (!quiet) stream.write(progress_line(progress));
    });
    if (!loaded) return stream.end(fail(loaded.error()));
    for (const auto& name : *loaded) {
        const bool is_id = name.starts_with("sha256:");
        const auto* text = is_id ? "Loaded image ID: " : "Loaded image: ";
        stream.write(dump_json({{"stream", text + name + "\n"}}) + "\r\n");
    }
    return stream.end({});
}

// "busybox", "busybox:1.36", "127.0.0.1:5000/*/app:v?": the repository, or the whole name.
bool matches_reference(const std::string& name, const std::string& pattern) {
    const auto matches = [&](const std::string& text) {
        return ::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0;
    };
    const auto at = name.find('@');
    if (at != std::string::npos) return matches(name) || matches(name.substr(0, at));
    return matches(name) || matches(name.substr(0, name.rfind(':')));
}

bool has_label(const images::Image& image, const std::string& label) {
    const auto equals = std::min(label.find('='), label.size());
    const auto found = image.config.labels.find(label.substr(0, equals));
    if (found == image.config.labels.end()) return false;
    return equals == label.size() || found->second == label.substr(equals + 1);
}

// Leaves only names that match one of the patterns; whether any is left.
bool keep_matching_names(images::Image& image, const std::vector<std::string>& patterns) {
    const auto keep = [&](std::vector<std::string>& names) {
        std::erase_if(names, [&](const std::string& name) {
            return std::ranges::none_of(
                patterns, [&](const auto& pattern) { return matches_reference(name, pattern); });
        });
    };
    keep(image.repo_tags);
    keep(image.repo_digests);
    return !image.repo_tags.empty() || !image.repo_digests.empty();
}

Result<bool> shown(images::Image& image, const Filters& filters) {
    for (const auto& text : values_of(filters, "dangling")) {
        HAKO_TRY(const bool dangling, boolean_filter("dangling", text));
        if (dangling != image.repo_tags.empty()) return false;
    }
    const auto labels = values_of(filters, "label");
    if (!std::ranges::all_of(labels, [&](const auto& label) { return has_label(image, label); }))
        return false;
    const auto patterns = values_of(filters, "reference");
    return patterns.empty() || keep_matching_names(image, patterns);
}

Result<void> list(const Services& services, Request& request, Response& response) {
    static constexpr std::array<std::string_view, 3> kKnown{"dangling", "label", "reference"};
    HAKO_TRY(auto parsed, filters(request.query, kKnown));
    // Of clients before 1.30, which are gone, but docker-py still writes it.
    if (const auto name = request.query.value_or("filter", ""); !name.empty())
        parsed["reference"].push_back(name);
    HAKO_TRY(auto images, services.images.list());
    Json answer = Json::array();
    for (auto& image : images) {
        HAKO_TRY(const bool visible, shown(image, parsed));
        if (visible) answer.push_back(image_summary(image, version_of(request)));
    }
    return response.send_json(200, answer);
}

Result<void> inspect(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto image, services.images.find(request.parameter("name")));
    return response.send_json(200, image_details(image, version_of(request)));
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

Result<void> remove(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto removed,
             services.images.remove(request.parameter("name"), flag(request.query, "force")));
    Json answer = Json::array();
    for (const auto& name : removed.untagged) answer.push_back({{"Untagged", name}});
    for (const auto& id : removed.deleted) answer.push_back({{"Deleted", id}});
    return response.send_json(200, answer);
}

}  // namespace

void add_image_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/images/create", create);
    routes.add("POST", "/images/load", load);
    routes.add("GET", "/images/json", list);
    routes.add("GET", "/images/{name:*}/json", inspect);
    routes.add("POST", "/images/{name:*}/tag", tag);
    routes.add("DELETE", "/images/{name:*}", remove);
}

}  // namespace hako::dockerapi
