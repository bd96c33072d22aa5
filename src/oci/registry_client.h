// Reads images from a registry (OCI distribution-spec 1.1, Docker Registry HTTP API v2).
//
// HTTPS with the system's CAs and those of certs.d; plain HTTP only where RegistryOptions allow it
// and on this host (127.0.0.0/8, ::1, localhost), when TLS is not spoken there. Credentials go to
// the registry and to the token server it names, over HTTPS or to loopback only, never to a mirror
// and never to a host that a redirect leads to.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/stream.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/registry_options.h"

namespace hako::oci {

struct FetchedManifest {
    std::string bytes;
    std::string media_type;  // as the registry said
    Digest digest;           // of the bytes
};

// Thread-safe; requests run in the calling threads. Each request goes to the registry's mirrors
// first, then to itself. Errors name the registry, its status and what to do: unauthorized,
// forbidden, not_found, unavailable (after all attempts), corrupt, cancelled.
class RegistryClient {
public:
    // image: whose registry (domain) and repository (path) are meant.
    RegistryClient(const Reference& image, RegistryAuth auth, const RegistryOptions& options = {});
    ~RegistryClient();
    RegistryClient(const RegistryClient&) = delete;
    RegistryClient& operator=(const RegistryClient&) = delete;

    // key: a tag or a digest; a digest is verified.
    Result<FetchedManifest> manifest(std::string_view key, std::stop_token stop);

    // received: bytes so far, for progress.
    using Received = std::function<void(std::uint64_t received)>;
    // Streams a blob into sink. A broken connection is resumed where it broke. On success sink got
    // exactly descriptor.size bytes; whether they have the digest is for the sink to verify.
    Result<void> blob(const Descriptor& descriptor, Writer& sink, std::stop_token stop,
                      const Received& received = {});
    // To be told when what blob() brought has another digest: mirrors that had a part in it are not
    // asked again. Whether there were any, so that another attempt may do better.
    bool distrust(const Digest& blob);

private:
    class Session;
    std::unique_ptr<Session> session_;
};

}  // namespace hako::oci
