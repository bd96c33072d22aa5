#include "oci/registry_host.h"

#include <algorithm>

#include "oci/insecure.h"
#include "oci/reference.h"
#include "oci/registry_error.h"

namespace hako::oci {
namespace {

using Cause = TransportFailure::Cause;

constexpr std::string_view kHubHost = "registry-1.docker.io";
constexpr std::size_t kMaxProbeBytes = 1U << 20U;

std::string_view without_scheme(std::string_view server) {
    const auto scheme = server.find("://");
    return scheme == server.npos ? server : server.substr(scheme + 3);
}
bool is_url(std::string_view text) { return text.find("://") != text.npos; }

// Credentials that are for another registry are not for this one.
RegistryAuth for_domain(const std::string& domain, RegistryAuth auth) {
    if (!auth.server.empty() && domain_of_server(auth.server) != domain) return {};
    return auth;
}

Exchanged give_up(Error error) {
    return tl::unexpected(TransportFailure{Cause::final, std::move(error)});
}

}  // namespace

std::string host_of_domain(std::string_view domain) {
    return std::string(domain == kDefaultDomain ? kHubHost : domain);
}

std::string_view domain_of_server(std::string_view server) {
    server = without_scheme(server);
    server = server.substr(0, server.find('/'));
    return server == kHubHost || server == "index.docker.io" ? kDefaultDomain : server;
}

RegistryHost::RegistryHost(std::string server, Subject subject, RegistryAuth auth, Access access,
                           const RegistryOptions& options)
    : server_(std::move(server)),
      subject_(std::move(subject)),
      options_(options),
      transport_({options.connect_timeout, options.stall_timeout, options.proxies,
                  [this](const Origin& origin) { return tls_files(origin); }}),
      authorizer_(transport_, for_domain(subject_.domain, std::move(auth)), std::move(access)) {
    while (server_.ends_with('/')) server_.pop_back();
}

// The registry's CAs count for its token server and its storage, too; our certificate is shown to
// the host it is for only.
Result<TlsFiles> RegistryHost::tls_files(const Origin& origin) const {
    const auto find = [&](std::string_view host) {
        return find_tls_files(options_.certificate_folders, host);
    };
    const std::string own(without_scheme(server_).substr(0, without_scheme(server_).find('/')));
    HAKO_TRY(auto files, find(own));
    HAKO_TRY(const auto own_origin, origin_of("https://" + own));
    if (origin != own_origin) {
        auto host = origin.host.find(':') == std::string::npos ? origin.host
                                                               : fmt::format("[{}]", origin.host);
        if (origin.port != "443") host += ":" + origin.port;
        HAKO_TRY(auto others, find(host));
        std::ranges::move(files.authorities, std::back_inserter(others.authorities));
        files = std::move(others);
    }
    files.any_certificate = is_insecure(options_.insecure, origin.host, origin.port);
    return files;
}

// HTTPS; plain HTTP only where TLS is not spoken, on this host or where that is allowed.
Result<std::string> RegistryHost::base(const std::stop_token& stop) {
    auto known = base_.lock();
    if (!known->empty()) return *known;
    auto url = is_url(server_) ? server_ : "https://" + server_;
    HAKO_TRY(const auto origin, origin_of(url));
    const bool may_be_plain = is_loopback(origin.host) ||
                              is_insecure(options_.insecure, origin.host, origin.port) ||
                              is_insecure(options_.insecure, origin.host, "80");
    if (!is_url(server_) && may_be_plain) {
        const auto probe =
            transport_.exchange({.url = url, .is_probe = true}, kMaxProbeBytes, stop);
        if (!probe && probe.error().error.kind() == ErrorKind::cancelled)
            return fail(probe.error().error);
        if (!probe && probe.error().cause != Cause::final) url = "http://" + server_;
    }
    *known = url;
    return url;
}

Exchanged RegistryHost::send(const RegistryRequest& request, const std::stop_token& stop) {
    const auto server = base(stop);
    if (!server) return give_up(server.error());
    const auto registry = origin_of(*server);
    if (!registry) return give_up(registry.error());

    HttpRequest http{.method = request.method,
                     .url = is_url(request.target) ? request.target : *server + request.target,
                     .headers = request.headers,
                     .body = request.body,
                     .stall_timeout = request.stall_timeout};
    const auto target = origin_of(http.url);
    if (!target) return give_up(target.error());
    if (registry->scheme == "https" && target->scheme != "https")
        return give_up(
            Error(ErrorKind::forbidden,
                  fmt::format("it sends us on to {} without HTTPS; refused", target->host)));
    // What the registry keeps elsewhere is none of our credentials' business, and whoever it sends
    // us to may not ask for them.
    if (*target == *registry) http.authorization = authorizer_.current();
    auto response = transport_.exchange(http, request.max_body, stop, request.sink);
    if (!response || response->status != 401) return response;
    const auto refuser = origin_of(response->url);
    if (!refuser || *refuser != *registry) return response;

    const auto better = authorizer_.answer(*response, *registry, http.authorization, stop);
    if (!better) return give_up(better.error());
    if (!*better) return response;
    http.authorization = authorizer_.current();
    return transport_.exchange(http, request.max_body, stop, request.sink);
}

Result<HttpResponse> RegistryHost::ask(const RegistryRequest& request,
                                       std::span<const int> statuses, const std::stop_token& stop) {
    BackOff back_off(options_);
    while (true) {
        auto answer = send(request, stop);
        if (answer && std::ranges::find(statuses, answer->status) != statuses.end())
            return *std::move(answer);
        const auto error = explain(request, answer);
        if (!is_passing(answer)) return fail(error);
        HAKO_CHECK(back_off.wait(error, answer ? answer->header("retry-after") : "", stop));
    }
}

bool RegistryHost::is_passing(const Exchanged& answer) {
    if (!answer) return answer.error().cause == Cause::broken;
    return oci::is_passing(answer->status);
}

std::string RegistryHost::describe() const {
    if (domain_of_server(server_) == subject_.domain)
        return fmt::format("registry {}", subject_.domain);
    return fmt::format("mirror {} of registry {}", server_, subject_.domain);
}

Error RegistryHost::explain(const RegistryRequest& request, const Exchanged& answer) const {
    if (!answer)
        return answer.error().error.context(fmt::format("{}: {}", describe(), request.what));
    return registry_error({.registry = describe(),
                           .repository = subject_.repository,
                           .what = request.what,
                           .pushes = subject_.pushes,
                           .with_credentials = authorizer_.has_credentials()},
                          *answer);
}

}  // namespace hako::oci
