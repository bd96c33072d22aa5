#include "oci/registry_listing.h"

#include <array>

#include "oci/registry_host.h"

namespace hako::oci {
namespace {

constexpr std::size_t kMaxEntries = 100'000;
constexpr std::size_t kMaxPageBytes = 8U << 20U;

// <...>; rel="next" (RFC 8288), as a URL or a path; empty on the last page.
std::string next_page(const HttpResponse& response) {
    const auto link = response.header("link");
    const auto end = link.find('>');
    if (!link.starts_with('<') || end == link.npos || link.find("next", end) == link.npos)
        return {};
    return resolve_url(response.url, link.substr(1, end - 1)).value_or("");
}

Result<std::vector<std::string>> read_pages(RegistryHost& host, RegistryRequest request,
                                            std::string_view field, const std::stop_token& stop) {
    std::vector<std::string> entries;
    request.max_body = kMaxPageBytes;
    while (!request.target.empty()) {
        HAKO_TRY(const auto response, host.ask(request, std::array{200}, stop));
        HAKO_TRY(const auto page, with_context(parse_json(response.body), request.what));
        HAKO_TRY(const auto more, json_field_or<std::vector<std::string>>(page, field, {}));
        entries.insert(entries.end(), more.begin(), more.end());
        if (entries.size() > kMaxEntries)
            return fail(ErrorKind::too_large, "{} has more than {} entries", request.what,
                        kMaxEntries);
        // A page with nothing on it is the last, whatever it links to.
        request.target = more.empty() ? std::string() : next_page(response);
    }
    return entries;
}

RegistryHost host_of(const Reference& image, RegistryAuth auth, const RegistryOptions& options) {
    return {host_of_domain(image.domain),
            {image.domain, image.familiar_name()},
            std::move(auth),
            {{fmt::format("repository:{}:pull", image.path)}},
            options};
}

}  // namespace

Result<std::vector<std::string>> list_tags(const Reference& image, RegistryAuth auth,
                                           const RegistryOptions& options, std::stop_token stop) {
    auto host = host_of(image, std::move(auth), options);
    return read_pages(host,
                      {.target = fmt::format("/v2/{}/tags/list", image.path),
                       .what = fmt::format("list of tags of {}", image.familiar_name())},
                      "tags", stop);
}

Result<std::vector<std::string>> list_repositories(const std::string& domain, RegistryAuth auth,
                                                   const RegistryOptions& options,
                                                   std::stop_token stop) {
    RegistryHost host(host_of_domain(domain), {domain, {}}, std::move(auth), {}, options);
    return read_pages(host, {.target = "/v2/_catalog", .what = "list of repositories"},
                      "repositories", stop);
}

Result<std::vector<Descriptor>> list_referrers(const Reference& image, const Digest& manifest,
                                               RegistryAuth auth, const RegistryOptions& options,
                                               std::stop_token stop) {
    auto host = host_of(image, std::move(auth), options);
    const auto what = fmt::format("list of what refers to {}", manifest.text());
    const std::vector<std::string> accept{fmt::format("Accept: {}", media_type::oci_index)};
    constexpr std::array kAnswers{200, 404};
    HAKO_TRY(auto response,
             host.ask({.target = fmt::format("/v2/{}/referrers/{}", image.path, manifest.text()),
                       .what = what,
                       .headers = accept,
                       .max_body = kMaxManifestBytes},
                      kAnswers, stop));
    if (response.status == 404) {
        HAKO_TRY(
            response,
            host.ask({.target = fmt::format("/v2/{}/manifests/sha256-{}", image.path, manifest.hex),
                      .what = what,
                      .headers = accept,
                      .max_body = kMaxManifestBytes},
                     kAnswers, stop));
    }
    if (response.status == 404) return std::vector<Descriptor>();
    HAKO_TRY(auto document, with_context(parse_manifest(response.body, {}), what));
    auto* index = std::get_if<Index>(&document);
    if (index == nullptr) return fail(ErrorKind::invalid, "{} is not an index", what);
    return std::move(index->manifests);
}

}  // namespace hako::oci
