// Images in and out: pull, push, import, load and save.
#include "dockerapi/image_json.h"
#include "dockerapi/image_reference.h"
#include "dockerapi/lazy_body.h"
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

Result<void> pull(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    const std::string name = query.value_or("fromImage", "");
    if (name.empty()) return fail(ErrorKind::invalid, "fromImage is missing: name an image");
    HAKO_TRY(const auto reference, reference_of(name, query.value_or("tag", "")));
    images::PullOptions options;
    HAKO_TRY(options.platform, platform(query));
    options.all_platforms = flag(query, "allPlatforms");
    options.registry = services.registries;
    HAKO_TRY(options.auth, registry_auth_of(request));
    ProgressStream stream(response);
    const auto pulled = services.images.pull(
        reference, options,
        [&](const images::Progress& progress) { stream.write(progress_line(progress)); },
        request.gone);
    return stream.end(pulled ? Result<void>() : fail(pulled.error()));
}

// What is pushed: one tag, or all that the repository has here.
Result<std::vector<oci::Reference>> tags_to_push(const Services& services, const std::string& name,
                                                 const std::string& tag) {
    HAKO_TRY(const auto reference, reference_of(name, tag));
    if (reference.digest) return fail(ErrorKind::invalid, "cannot push a digest reference");
    const auto colon = name.rfind(':');
    const bool has_tag = colon != name.npos && name.find('/', colon) == name.npos;
    if (!tag.empty() || has_tag) return std::vector{reference};
    std::vector<oci::Reference> tags;
    HAKO_TRY(const auto list, services.images.list());
    for (const auto& image : list) {
        for (const auto& text : image.repo_tags) {
            HAKO_TRY(auto other, oci::Reference::parse(text));
            if (other.name() == reference.name()) tags.push_back(std::move(other));
        }
    }
    if (tags.empty())
        return fail(ErrorKind::not_found, "An image does not exist locally with the tag: {}",
                    reference.familiar_name());
    return tags;
}

Result<void> push(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto tags,
             tags_to_push(services, request.parameter("name"), request.query.value_or("tag", "")));
    images::PushOptions options;
    options.registry = services.registries;
    HAKO_TRY(options.platform, platform(request.query));
    HAKO_TRY(options.auth, registry_auth_of(request));
    ProgressStream stream(response);
    for (const auto& reference : tags) {
        const auto pushed = services.images.push(
            reference, options,
            [&](const images::Progress& progress) { stream.write(progress_line(progress)); },
            request.gone);
        if (!pushed) return stream.end(pushed);
    }
    return stream.end({});
}

Result<void> load(const Services& services, Request& request, Response& response) {
    ProgressStream stream(response);
    const bool quiet = flag(request.query, "quiet");
    HAKO_TRY(const auto wanted, platform(request.query));
    const auto loaded =
        services.images.load(*request.body, wanted, [&](const images::Progress& progress) {
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

Result<void> import_image(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    if (query.value_or("fromSrc", "") != "-")
        return fail(ErrorKind::unimplemented,
                    "the daemon does not download archives: fetch it and send it as the body "
                    "(curl URL | hako import - NAME)");
    images::ImportOptions options{.changes = query.all("changes"),
                                  .message = query.value_or("message", "")};
    if (options.message.empty()) options.message = "Imported from -";
    HAKO_TRY(options.platform, platform(query));
    if (const auto name = query.value_or("repo", ""); !name.empty()) {
        HAKO_TRY(options.name, reference_of(name, query.value_or("tag", "")));
        if (options.name->digest)
            return fail(ErrorKind::invalid, "cannot import an image under a digest");
    }
    ProgressStream stream(response);
    const auto image = services.images.import(*request.body, options);
    if (!image) return stream.end(fail(image.error()));
    stream.write(progress_line({.id = {}, .status = image->id}));
    return stream.end({});
}

Result<void> create_image(const Services& services, Request& request, Response& response) {
    return request.query.has("fromSrc") ? import_image(services, request, response)
                                        : pull(services, request, response);
}

Result<void> save(const Services& services, const std::vector<std::string>& names, Request& request,
                  Response& response) {
    if (names.empty()) return fail(ErrorKind::invalid, "names is missing: name an image");
    images::SaveOptions options;
    HAKO_TRY(options.platform, platform(request.query));
    const auto format = request.query.value_or("format", "docker");
    if (format != "docker" && format != "oci")
        return fail(ErrorKind::invalid, "format is docker or oci, not \"{}\"", format);
    options.docker_manifest = format == "docker";
    LazyBody body(response);
    return services.images.save(names, options, body);
}

Result<void> save_one(const Services& services, Request& request, Response& response) {
    return save(services, {request.parameter("name")}, request, response);
}

Result<void> save_several(const Services& services, Request& request, Response& response) {
    return save(services, request.query.all("names"), request, response);
}

}  // namespace

void add_image_transfer_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/images/create", create_image);
    routes.add("POST", "/images/{name:*}/push", push);
    routes.add("POST", "/images/load", load);
    routes.add("GET", "/images/get", save_several);
    routes.add("GET", "/images/{name:*}/get", save_one);
}

}  // namespace hako::dockerapi
