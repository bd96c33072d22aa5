#include "oci/registry_pusher.h"

#include <array>

namespace hako::oci {
namespace {

Access access_for(const std::string& path, const std::set<std::string>& sources) {
    Access access{{fmt::format("repository:{}:pull,push", path)}};
    for (const auto& source : sources)
        access.scopes.insert(fmt::format("repository:{}:pull", source));
    return access;
}

}  // namespace

RegistryPusher::RegistryPusher(const Reference& image, RegistryAuth auth,
                               const std::set<std::string>& sources, const RegistryOptions& options)
    : path_(image.path),
      host_(host_of_domain(image.domain), {image.domain, image.familiar_name(), true},
            std::move(auth), access_for(image.path, sources), options) {}

Result<RegistryPusher::Outcome> RegistryPusher::push_blob(const Descriptor& blob,
                                                          const HttpBody& content,
                                                          std::span<const std::string> sources,
                                                          std::stop_token stop,
                                                          const BlobUpload::Sent& sent) {
    HAKO_TRY(const auto head,
             host_.ask({.method = "HEAD",
                        .target = fmt::format("/v2/{}/blobs/{}", path_, blob.digest.text()),
                        .what = "blob " + blob.digest.text()},
                       std::array{200, 404}, stop));
    if (head.status == 200) return Outcome{Outcome::How::existed};
    BlobUpload upload(host_, path_, blob, content, sent, std::move(stop));
    HAKO_TRY(auto source, upload.run(sources));
    if (!source) return Outcome{Outcome::How::uploaded};
    return Outcome{Outcome::How::mounted, *std::move(source)};
}

Result<void> RegistryPusher::push_manifest(std::string_view key, const Descriptor& manifest,
                                           const std::string& bytes, std::stop_token stop) {
    HAKO_TRY(const auto response,
             host_.ask({.method = "PUT",
                        .target = fmt::format("/v2/{}/manifests/{}", path_, key),
                        .what = fmt::format("manifest {}", manifest.digest.text()),
                        .headers = {"Content-Type: " + manifest.media_type},
                        .body = HttpBody::of(bytes)},
                       std::array{200, 201, 202}, stop));
    const auto stored = response.header("docker-content-digest");
    if (!stored.empty() && stored != manifest.digest.text())
        return fail(ErrorKind::corrupt,
                    "registry {} stored manifest {} as {}; it cannot keep images of this kind",
                    host_.subject().domain, manifest.digest.text(), stored);
    return {};
}

}  // namespace hako::oci
