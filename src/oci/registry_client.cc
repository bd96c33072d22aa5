#include "oci/registry_client.h"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <set>

#include "base/guarded.h"
#include "base/log.h"
#include "oci/blob_stream.h"
#include "oci/registry_host.h"

namespace hako::oci {
namespace {

// An attempt that brought so much was not in vain: it does not count.
constexpr std::uint64_t kProgressBytes = 64U << 10U;

}  // namespace

class RegistryClient::Session {
public:
    Session(const Reference& image, RegistryAuth auth, const RegistryOptions& options);

    Result<FetchedManifest> manifest(std::string_view key, const std::stop_token& stop);
    Result<void> blob(const Descriptor& descriptor, Writer& sink, const std::stop_token& stop,
                      const Received& received);
    bool distrust(const Digest& blob);

private:
    struct Host {
        template <typename... Args>
        explicit Host(Args&&... args) : server(std::forward<Args>(args)...) {}
        RegistryHost server;
        std::atomic<bool> is_down = false;  // a mirror that failed is not asked again
    };
    Result<FetchedManifest> manifest_from(RegistryHost& host, std::string_view key,
                                          const std::stop_token& stop) const;
    Result<void> blob_from(RegistryHost& host, const Descriptor& descriptor, BlobStream& stream,
                           const std::stop_token& stop) const;
    // ask: Result<T>(Host&). The first answer; the last error.
    template <typename Ask>
    auto ask_in_turn(const Ask& ask);

    bool is_mirror(const Host& host) const { return &host != &hosts_.back(); }

    Reference image_;
    std::deque<Host> hosts_;  // the registry itself is the last
    // By the digest of a blob: the mirrors that brought a part of it.
    Guarded<std::map<std::string, std::set<Host*>>> sources_;
};

RegistryClient::Session::Session(const Reference& image, RegistryAuth auth,
                                 const RegistryOptions& options)
    : image_(image) {
    const RegistryHost::Subject subject{image.domain, image.familiar_name()};
    const Access access{{fmt::format("repository:{}:pull", image.path)}};
    if (const auto mirrors = options.mirrors.find(image.domain); mirrors != options.mirrors.end()) {
        auto impatient = options;
        impatient.attempts = 1;  // the next one may do better
        for (const auto& mirror : mirrors->second)
            hosts_.emplace_back(mirror, subject, RegistryAuth{}, access, impatient);
    }
    hosts_.emplace_back(host_of_domain(image.domain), subject, std::move(auth), access, options);
}

template <typename Ask>
auto RegistryClient::Session::ask_in_turn(const Ask& ask) {
    for (auto host = hosts_.begin(); host != std::prev(hosts_.end()); ++host) {
        if (host->is_down) continue;
        auto answer = ask(*host);
        if (answer || answer.error().kind() == ErrorKind::cancelled ||
            answer.error().kind() == ErrorKind::exhausted)
            return answer;
        log_info("{}; asking the next", answer.error().message());
        // It may have other images.
        host->is_down = answer.error().kind() != ErrorKind::not_found;
    }
    return ask(hosts_.back());
}

Result<FetchedManifest> RegistryClient::Session::manifest(std::string_view key,
                                                          const std::stop_token& stop) {
    return ask_in_turn([&](Host& host) { return manifest_from(host.server, key, stop); });
}

Result<FetchedManifest> RegistryClient::Session::manifest_from(RegistryHost& host,
                                                               std::string_view key,
                                                               const std::stop_token& stop) const {
    const bool is_digest = key.find(':') != key.npos;
    RegistryRequest request{.target = fmt::format("/v2/{}/manifests/{}", image_.path, key),
                            .what = fmt::format("manifest for {}{}{}", image_.familiar_name(),
                                                is_digest ? "@" : ":", key),
                            .max_body = kMaxManifestBytes};
    for (const auto type : {media_type::oci_index, media_type::docker_list,
                            media_type::oci_manifest, media_type::docker_manifest})
        request.headers.push_back(fmt::format("Accept: {}", type));

    HAKO_TRY(auto response, host.ask(request, std::array{200}, stop));
    FetchedManifest result{std::move(response.body), response.header("content-type"), Digest()};
    result.media_type = result.media_type.substr(0, result.media_type.find(';'));
    result.digest = Digest::of(as_bytes(result.bytes));
    const auto promised = is_digest ? std::string(key) : response.header("docker-content-digest");
    if (promised.starts_with("sha256:") && promised != result.digest.text())
        return fail(ErrorKind::corrupt,
                    "registry {} sends a {} whose digest is {} instead of {}; try again",
                    image_.domain, request.what, result.digest.text(), promised);
    return result;
}

Result<void> RegistryClient::Session::blob(const Descriptor& descriptor, Writer& sink,
                                           const std::stop_token& stop, const Received& received) {
    BlobStream stream(descriptor, sink, received);
    sources_.lock()->erase(descriptor.digest.hex);
    return ask_in_turn([&](Host& host) {
        const auto before = stream.written();
        auto done = blob_from(host.server, descriptor, stream, stop);
        if (is_mirror(host) && stream.written() > before)
            (*sources_.lock())[descriptor.digest.hex].insert(&host);
        return done;
    });
}

bool RegistryClient::Session::distrust(const Digest& blob) {
    const auto mirrors = (*sources_.lock())[blob.hex];
    for (Host* mirror : mirrors) mirror->is_down = true;
    return !mirrors.empty();
}

Result<void> RegistryClient::Session::blob_from(RegistryHost& host, const Descriptor& descriptor,
                                                BlobStream& stream,
                                                const std::stop_token& stop) const {
    RegistryRequest request{
        .target = fmt::format("/v2/{}/blobs/{}", image_.path, descriptor.digest.text()),
        .what = "blob " + descriptor.digest.text()};
    request.sink = [&](const HttpResponse& head, std::span<const std::byte> data) {
        return stream.take(head, data);
    };
    BackOff back_off(host.options());
    while (!stream.complete()) {
        const auto before = stream.written();
        stream.restart();
        request.headers.clear();
        if (before > 0) request.headers.push_back(fmt::format("Range: bytes={}-", before));
        const auto answer = host.send(request, stop);
        const bool passing = RegistryHost::is_passing(answer);
        if (stream.complete() && (answer || passing)) break;
        if (stream.written() - before >= kProgressBytes) back_off.restart();

        const bool ended = answer && (answer->status == 200 || answer->status == 206);
        const auto error =
            ended
                ? Error(ErrorKind::corrupt,
                        fmt::format("registry {} sends {} of the {} bytes of {}; try again",
                                    image_.domain, stream.written(), descriptor.size, request.what))
                : host.explain(request, answer);
        if (!ended && !passing) return fail(error);
        HAKO_CHECK(back_off.wait(error, answer ? answer->header("retry-after") : "", stop));
    }
    return {};
}

bool RegistryClient::distrust(const Digest& blob) { return session_->distrust(blob); }

RegistryClient::RegistryClient(const Reference& image, RegistryAuth auth,
                               const RegistryOptions& options)
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
