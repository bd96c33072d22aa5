// Writes images into a registry (OCI distribution-spec 1.1, "Push"). Where it may be reached
// without TLS, and who gets the credentials: see registry_client.h. Mirrors are not written to.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/blob_upload.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/registry_host.h"

namespace hako::oci {

// Thread-safe; requests run in the calling threads. Errors as those of RegistryClient.
class RegistryPusher {
public:
    // image: whose registry and repository are meant. sources: paths of other repositories there
    // that blobs may be mounted from.
    RegistryPusher(const Reference& image, RegistryAuth auth, const std::set<std::string>& sources,
                   const RegistryOptions& options = {});

    struct Outcome {
        enum class How { existed, mounted, uploaded } how;
        std::string source = {};  // that it was mounted from
        bool operator==(const Outcome&) const = default;
    };
    // content: exactly blob.size bytes that have its digest; the registry checks. sources: those
    // that may have it.
    Result<Outcome> push_blob(const Descriptor& blob, const HttpBody& content,
                              std::span<const std::string> sources, std::stop_token stop,
                              const BlobUpload::Sent& sent = {});
    // key: a tag, or the digest. What the manifest names must be there already.
    Result<void> push_manifest(std::string_view key, const Descriptor& manifest,
                               const std::string& bytes, std::stop_token stop);

private:
    std::string path_;
    RegistryHost host_;
};

}  // namespace hako::oci
