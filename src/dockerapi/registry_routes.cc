// What registries are asked: whether credentials are right, and what there is.
#include "base/stream.h"
#include "dockerapi/parameters.h"
#include "dockerapi/registry_auth.h"
#include "dockerapi/routes.h"
#include "oci/config.h"
#include "oci/registry_client.h"
#include "oci/registry_listing.h"
#include "oci/registry_login.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> auth(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(const auto credentials, parse_registry_auth(body));
    HAKO_TRY(const auto token, oci::log_in(credentials, services.registries, request.gone));
    return response.send_json(200, {{"Status", "Login Succeeded"}, {"IdentityToken", token}});
}

Json describe(const oci::Descriptor& descriptor) {
    Json json{{"mediaType", descriptor.media_type},
              {"digest", descriptor.digest.text()},
              {"size", descriptor.size}};
    if (!descriptor.artifact_type.empty()) json["artifactType"] = descriptor.artifact_type;
    if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
    return json;
}

Json describe(const oci::Platform& platform) {
    Json json{{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.variant.empty()) json["variant"] = platform.variant;
    return json;
}

// Of an index what it lists, of a lone image what its configuration says.
Result<Json> platforms(oci::RegistryClient& client, const oci::FetchedManifest& manifest,
                       const std::stop_token& stop) {
    HAKO_TRY(const auto document, oci::parse_manifest(manifest.bytes, manifest.media_type));
    Json list = Json::array();
    if (const auto* index = std::get_if<oci::Index>(&document)) {
        for (const auto& image : index->manifests)
            if (image.platform) list.push_back(describe(*image.platform));
        return list;
    }
    const auto& config = std::get<oci::Manifest>(document).config;
    if (config.size > oci::kMaxConfigBytes)
        return fail(ErrorKind::too_large, "image configuration has {} bytes, more than {}",
                    config.size, oci::kMaxConfigBytes);
    TextWriter bytes;
    HAKO_CHECK(client.blob(config, bytes, stop));
    if (oci::Digest::of(as_bytes(bytes.text)) != config.digest)
        return fail(ErrorKind::corrupt, "image configuration {} arrived with other content",
                    config.digest.text());
    HAKO_TRY(const auto description, oci::parse_image_description(bytes.text));
    list.push_back(describe(description.platform));
    return list;
}

Result<void> distribution(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto image, oci::Reference::parse(request.parameter("name")));
    HAKO_TRY(const auto credentials, registry_auth_of(request));
    oci::RegistryClient client(image, credentials, services.registries);
    HAKO_TRY(const auto manifest, client.manifest(image.manifest_key(), request.gone));
    HAKO_TRY(const auto list, platforms(client, manifest, request.gone));
    const oci::Descriptor descriptor{manifest.media_type, manifest.digest, manifest.bytes.size()};
    return response.send_json(200, {{"Descriptor", describe(descriptor)}, {"Platforms", list}});
}

Result<void> tags(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto image, oci::Reference::parse(request.query.value_or("name", "")));
    HAKO_TRY(const auto credentials, registry_auth_of(request));
    HAKO_TRY(const auto list,
             oci::list_tags(image, credentials, services.registries, request.gone));
    return response.send_json(200, {{"Name", image.familiar_name()}, {"Tags", list}});
}

Result<void> repositories(const Services& services, Request& request, Response& response) {
    const auto registry = request.query.value_or("registry", oci::kDefaultDomain);
    const auto image = oci::Reference::parse(registry + "/x/x");
    if (!image || image->domain != registry)
        return fail(ErrorKind::invalid, "\"{}\" is no registry; write host or host:port", registry);
    HAKO_TRY(const auto credentials, registry_auth_of(request));
    HAKO_TRY(const auto list,
             oci::list_repositories(registry, credentials, services.registries, request.gone));
    return response.send_json(200, {{"Registry", registry}, {"Repositories", list}});
}

Result<void> referrers(const Services& services, Request& request, Response& response) {
    HAKO_TRY(auto image, oci::Reference::parse(request.query.value_or("name", "")));
    HAKO_TRY(const auto credentials, registry_auth_of(request));
    if (!image.digest) {
        oci::RegistryClient client(image, credentials, services.registries);
        HAKO_TRY(const auto manifest, client.manifest(image.manifest_key(), request.gone));
        image.digest = manifest.digest;
    }
    HAKO_TRY(const auto found, oci::list_referrers(image, *image.digest, credentials,
                                                   services.registries, request.gone));
    Json list = Json::array();
    for (const auto& descriptor : found) list.push_back(describe(descriptor));
    return response.send_json(200, {{"Digest", image.digest->text()}, {"Referrers", list}});
}

}  // namespace

void add_registry_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/auth", auth);
    routes.add("GET", "/distribution/{name:*}/json", distribution);
    routes.add("GET", "/hako/v1/registry/tags", tags);
    routes.add("GET", "/hako/v1/registry/repositories", repositories);
    routes.add("GET", "/hako/v1/registry/referrers", referrers);
}

}  // namespace hako::dockerapi
