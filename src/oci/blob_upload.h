// One blob on its way into a registry (OCI distribution-spec 1.1, "Push"): whole where it is small,
// else in chunks, resumed where the registry says it stands.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "http/url.h"
#include "oci/manifest.h"
#include "oci/registry_host.h"

namespace hako::oci {

// Used once, by one thread. What it is given must outlive it.
class BlobUpload {
public:
    using Sent = std::function<void(std::uint64_t sent)>;  // bytes so far, for progress
    BlobUpload(RegistryHost& host, std::string repository, const Descriptor& blob,
               const HttpBody& content, const Sent& sent, std::stop_token stop)
        : host_(host),
          repository_(std::move(repository)),
          blob_(blob),
          content_(content),
          sent_(sent),
          stop_(std::move(stop)) {}

    // sources: repositories of the registry that may have the blob already, asked in this order.
    // The one that it was mounted from; nullopt: it was uploaded.
    Result<std::optional<std::string>> run(std::span<const std::string> sources);

private:
    struct Trouble {
        Error error;
        bool is_passing;
        std::string retry_after;
    };
    using Step = tl::expected<HttpResponse, Trouble>;

    Step attempt(std::span<const std::string> sources);
    Step start(std::span<const std::string> sources);
    Step ask_for_upload(const http::Query& query);
    void abandon();
    Step ask_state();
    Step send_rest();
    Step send_chunk();
    Step finish(HttpBody body, std::uint64_t begin);
    Step step(RegistryRequest request, std::span<const int> statuses);
    void move_on(const HttpResponse& response);
    HttpBody part(std::uint64_t begin, std::uint64_t size) const;

    RegistryHost& host_;
    std::string repository_;
    const Descriptor& blob_;
    const HttpBody& content_;
    const Sent& sent_;
    std::stop_token stop_;
    std::string location_;      // of the upload that is under way; empty: none
    std::uint64_t offset_ = 0;  // what the registry has of it
    std::uint64_t chunk_ = 0;
    bool in_doubt_ = false;  // whether offset_ is still right
    std::optional<std::string> mounted_from_;
};

}  // namespace hako::oci
