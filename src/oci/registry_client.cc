#include "oci/registry_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/guarded.h"
#include "oci/authorizer.h"
#include "oci/registry_error.h"
#include "oci/transport.h"

namespace hako::oci {
namespace {

using Failure = TransportFailure;
using Exchanged = tl::expected<HttpResponse, Failure>;

struct Alias {
    std::string_view domain;
    std::string_view host;
};
// Names of registries that are served elsewhere.
constexpr std::array kAliases{Alias{kDefaultDomain, "registry-1.docker.io"}};

constexpr std::chrono::seconds kMaxRetryAfter{30};
// An attempt that brought so much was not in vain: it does not count.
constexpr std::uint64_t kProgressBytes = 64U << 10U;

std::string host_of(std::string_view domain) {
    const auto* alias = std::ranges::find(kAliases, domain, &Alias::domain);
    return std::string(alias == kAliases.end() ? domain : alias->host);
}

// Without scheme and path, and Docker Hub's older names as its domain.
std::string_view server_domain(std::string_view server) {
    const auto scheme = server.find("://");
    if (scheme != server.npos) server.remove_prefix(scheme + 3);
    server = server.substr(0, server.find('/'));
    const bool is_hub = server == "index.docker.io" || server == host_of(kDefaultDomain);
    return is_hub ? kDefaultDomain : server;
}

// Credentials that are for another registry are not for this one.
RegistryAuth credentials_for(const Reference& image, RegistryAuth auth) {
    if (!auth.server.empty() && server_domain(auth.server) != image.domain) return {};
    return auth;
}

bool is_passing(int status) { return status == 408 || status == 429 || status >= 500; }

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "bytes 100-199/200" begins at 100.
std::optional<std::uint64_t> range_begin(std::string_view content_range) {
    if (!content_range.starts_with("bytes ")) return std::nullopt;
    content_range.remove_prefix(6);
    return parse_number(content_range.substr(0, content_range.find('-')));
}

// Sleeps; false when stopped before.
bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
}

// The bytes of a blob as attempt after attempt brings them.
class BlobStream {
public:
    BlobStream(const Descriptor& descriptor, Writer& sink, const RegistryClient::Received& received)
        : descriptor_(descriptor), sink_(sink), received_(received) {}

    std::uint64_t written() const { return written_; }
    bool complete() const { return written_ == descriptor_.size; }

    // Before each attempt.
    void restart() { skip_.reset(); }

    Result<void> take(const HttpResponse& head, std::span<const std::byte> data) {
        if (!skip_) HAKO_CHECK(begin(head));
        const auto skipped = std::min<std::uint64_t>(*skip_, data.size());
        *skip_ -= skipped;
        data = data.subspan(skipped);
        if (data.size() > descriptor_.size - written_)
            return fail(ErrorKind::corrupt, "it sends more than the {} bytes that {} has",
                        descriptor_.size, descriptor_.digest.text());
        if (data.empty()) return {};
        HAKO_CHECK(sink_.write(data));
        written_ += data.size();
        if (received_) received_(written_);
        return {};
    }

private:
    // A server that does not know ranges sends all once more.
    Result<void> begin(const HttpResponse& head) {
        skip_ = written_;
        if (head.status == 206) {
            if (range_begin(head.header("content-range")) != written_)
                return fail(ErrorKind::unavailable, "it sends another range than it was asked for");
            skip_ = 0;
        }
        const auto length = parse_number(head.header("content-length"));
        if (length && *length > descriptor_.size)
            return fail(ErrorKind::corrupt, "it announces {} bytes for {}, which has {}", *length,
                        descriptor_.digest.text(), descriptor_.size);
        return {};
    }

    const Descriptor& descriptor_;
    Writer& sink_;
    const RegistryClient::Received& received_;
    std::uint64_t written_ = 0;
    std::optional<std::uint64_t> skip_;  // bytes of this attempt that are here already
};

}  // namespace

class RegistryClient::Session {
public:
    Session(const Reference& image, RegistryAuth auth, const RegistryOptions& options)
        : image_(image),
          options_(options),
          transport_({options.connect_timeout, options.stall_timeout}),
          authorizer_(transport_, credentials_for(image, std::move(auth)), image.path) {}

    Result<FetchedManifest> manifest(std::string_view key, const std::stop_token& stop);
    Result<void> blob(const Descriptor& descriptor, Writer& sink, const std::stop_token& stop,
                      const Received& received);

private:
    struct Attempt {
        std::string_view path;  // below /v2/<repository>/
        std::vector<std::string> headers;
        std::size_t max_body = 0;
        BodySink sink = {};
    };
    Result<Origin> find_origin(const std::stop_token& stop);
    Exchanged send(const Attempt& attempt, const std::stop_token& stop);
    // Waits before attempt number `failed` + 1; an error when there shall be none.
    Result<void> back_off(int failed, const std::string& retry_after, const std::stop_token& stop,
                          const Error& reason) const;
    Error unreachable(const Error& reason) const {
        return reason.context(fmt::format("registry {}", image_.domain));
    }

    Reference image_;
    RegistryOptions options_;
    Transport transport_;
    Authorizer authorizer_;
    Guarded<std::optional<Origin>> origin_;
};

// Which scheme the registry speaks: HTTPS; on this host HTTP where TLS is not spoken.
Result<Origin> RegistryClient::Session::find_origin(const std::stop_token& stop) {
    auto known = origin_.lock();
    if (*known) return **known;
    const auto secure = "https://" + host_of(image_.domain);
    HAKO_TRY(auto origin, origin_of(secure));
    if (is_loopback(origin.host)) {
        const auto probe = transport_.exchange({.url = secure + "/v2/"}, kMaxManifestBytes, stop);
        if (!probe && probe.error().error.kind() == ErrorKind::cancelled)
            return fail(probe.error().error);
        const bool plain = !probe && probe.error().cause != Failure::Cause::final;
        if (plain) {
            HAKO_TRY(origin, origin_of("http://" + host_of(image_.domain)));
        }
    }
    *known = origin;
    return origin;
}

Exchanged RegistryClient::Session::send(const Attempt& attempt, const std::stop_token& stop) {
    const auto origin = find_origin(stop);
    if (!origin) return tl::unexpected(Failure{Failure::Cause::final, origin.error()});
    HttpRequest request;
    request.url = fmt::format("{}://{}/v2/{}/{}", origin->scheme, host_of(image_.domain),
                              image_.path, attempt.path);
    request.headers = attempt.headers;
    request.authorization = authorizer_.current();
    auto response = transport_.exchange(request, attempt.max_body, stop, attempt.sink);
    if (!response || response->status != 401) return response;

    const auto better = authorizer_.answer(*response, *origin, request.authorization, stop);
    if (!better) return tl::unexpected(Failure{Failure::Cause::final, better.error()});
    if (!*better) return response;
    request.authorization = authorizer_.current();
    return transport_.exchange(request, attempt.max_body, stop, attempt.sink);
}

Result<void> RegistryClient::Session::back_off(int failed, const std::string& retry_after,
                                               const std::stop_token& stop,
                                               const Error& reason) const {
    if (failed >= options_.attempts) return fail(reason);
    std::chrono::milliseconds wait = options_.backoff * (1 << std::min(failed - 1, 10));
    if (const auto seconds = parse_number(retry_after)) {
        if (*seconds > static_cast<std::uint64_t>(kMaxRetryAfter.count())) return fail(reason);
        wait = std::chrono::seconds(*seconds);
    }
    if (!sleep_for(wait, stop)) return fail(ErrorKind::cancelled, "cancelled");
    return {};
}

Result<FetchedManifest> RegistryClient::Session::manifest(std::string_view key,
                                                          const std::stop_token& stop) {
    const auto path = fmt::format("manifests/{}", key);
    const bool is_digest = key.find(':') != key.npos;
    const auto what =
        fmt::format("manifest for {}{}{}", image_.familiar_name(), is_digest ? "@" : ":", key);
    Attempt attempt{.path = path, .headers = {}, .max_body = kMaxManifestBytes};
    for (const auto type : {media_type::oci_index, media_type::docker_list,
                            media_type::oci_manifest, media_type::docker_manifest})
        attempt.headers.push_back(fmt::format("Accept: {}", type));

    for (int failed = 1;; ++failed) {
        auto response = send(attempt, stop);
        if (!response) {
            const auto error = unreachable(response.error().error);
            if (response.error().cause != Failure::Cause::broken) return fail(error);
            HAKO_CHECK(back_off(failed, {}, stop, error));
            continue;
        }
        if (response->status != 200) {
            const auto error =
                registry_error(image_, what, *response, authorizer_.has_credentials());
            if (!is_passing(response->status)) return fail(error);
            HAKO_CHECK(back_off(failed, response->header("retry-after"), stop, error));
            continue;
        }
        FetchedManifest result{std::move(response->body), response->header("content-type"),
                               Digest()};
        result.media_type = result.media_type.substr(0, result.media_type.find(';'));
        result.digest = Digest::of(as_bytes(result.bytes));
        const auto promised =
            is_digest ? std::string(key) : response->header("docker-content-digest");
        if (promised.starts_with("sha256:") && promised != result.digest.text())
            return fail(ErrorKind::corrupt,
                        "registry {} sends a {} whose digest is {} instead of {}; try again",
                        image_.domain, what, result.digest.text(), promised);
        return result;
    }
}

Result<void> RegistryClient::Session::blob(const Descriptor& descriptor, Writer& sink,
                                           const std::stop_token& stop, const Received& received) {
    const auto path = "blobs/" + descriptor.digest.text();
    const auto what = "blob " + descriptor.digest.text();
    BlobStream stream(descriptor, sink, received);
    for (int failed = 1; !stream.complete(); ++failed) {
        const auto before = stream.written();
        stream.restart();
        Attempt attempt{.path = path, .headers = {}, .max_body = 0};
        if (before > 0) attempt.headers.push_back(fmt::format("Range: bytes={}-", before));
        attempt.sink = [&](const HttpResponse& head, std::span<const std::byte> data) {
            return stream.take(head, data);
        };
        const auto response = send(attempt, stop);
        if (stream.written() - before >= kProgressBytes) failed = 1;

        std::string retry_after;
        Error error(ErrorKind::unavailable, {});
        if (!response) {
            error = unreachable(response.error().error.context(what));
            if (response.error().cause == Failure::Cause::final) return fail(error);
        } else if (response->status == 200 || response->status == 206) {
            error = Error(ErrorKind::corrupt,
                          fmt::format("registry {} sends {} of the {} bytes of {}; try again",
                                      image_.domain, stream.written(), descriptor.size, what));
            if (stream.complete()) break;
        } else {
            error = registry_error(image_, what, *response, authorizer_.has_credentials());
            if (!is_passing(response->status)) return fail(error);
            retry_after = response->header("retry-after");
        }
        HAKO_CHECK(back_off(failed, retry_after, stop, error));
    }
    return {};
}

RegistryClient::RegistryClient(const Reference& image, RegistryAuth auth, RegistryOptions options)
    : session_(std::make_unique<Session>(image, std::move(auth), options)) {}
RegistryClient::~RegistryClient() = default;

Result<FetchedManifest> RegistryClient::manifest(std::string_view key, std::stop_token stop) {
    return session_->manifest(key, stop);
}

Result<void> RegistryClient::blob(const Descriptor& descriptor, Writer& sink, std::stop_token stop,
                                  const Received& received) {
    return session_->blob(descriptor, sink, stop, received);
}

}  // namespace hako::oci
