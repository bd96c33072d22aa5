// One server that answers for a registry: the registry itself, or a mirror of it. Knows which
// scheme it speaks, answers its challenges, tries again, and turns refusals into sentences.
#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "oci/authorizer.h"
#include "oci/back_off.h"
#include "oci/registry_options.h"
#include "oci/transport.h"

namespace hako::oci {

// The host that serves a registry's domain: docker.io is served by registry-1.docker.io.
std::string host_of_domain(std::string_view domain);
// The domain that a user's or a client's text means: "https://index.docker.io/v1/" is docker.io.
std::string_view domain_of_server(std::string_view server);

struct RegistryRequest {
    std::string method = "GET";
    std::string target;                     // "/v2/...", or a URL that the registry named
    std::string what;                       // in errors: "manifest for app:1"
    std::vector<std::string> headers = {};  // "Name: value"
    std::optional<HttpBody> body = {};
    std::size_t max_body = 1U << 20U;  // of the answer
    BodySink sink = {};
    std::optional<std::chrono::seconds> stall_timeout = {};
};

// Thread-safe; requests run in the calling threads.
class RegistryHost {
public:
    // Who asks for what; for sentences.
    struct Subject {
        std::string domain;      // "docker.io"
        std::string repository;  // as people write it: "busybox"; empty: none
        bool pushes = false;
    };
    // server: host[:port], or the URL of a mirror. auth for another domain is not used.
    RegistryHost(std::string server, Subject subject, RegistryAuth auth, Access access,
                 const RegistryOptions& options);

    // One attempt, and a second one with credentials where they are asked for.
    Exchanged send(const RegistryRequest& request, const std::stop_token& stop);
    // Until a response has one of the statuses, with pauses between the attempts. Errors name the
    // registry, its status and what to do.
    Result<HttpResponse> ask(const RegistryRequest& request, std::span<const int> statuses,
                             const std::stop_token& stop);

    // What a failure, or a response that is no success, means.
    Error explain(const RegistryRequest& request, const Exchanged& answer) const;
    // Whether another attempt may do better.
    static bool is_passing(const Exchanged& answer);

    const RegistryOptions& options() const { return options_; }
    const Subject& subject() const { return subject_; }
    const Authorizer& authorizer() const { return authorizer_; }

private:
    // scheme://host[:port]/path, without a slash at its end.
    Result<std::string> base(const std::stop_token& stop);
    Result<TlsFiles> tls_files(const Origin& origin) const;
    std::string describe() const;

    std::string server_;
    Subject subject_;
    RegistryOptions options_;
    Transport transport_;
    Authorizer authorizer_;
    Guarded<std::string> base_;
};

}  // namespace hako::oci
