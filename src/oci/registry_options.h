// How registries are reached, and with which credentials.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace hako::oci {

// What Docker's X-Registry-Auth header carries. All empty: anonymous.
struct RegistryAuth {
    std::string username;
    std::string password;
    std::string identity_token;  // an OAuth2 refresh token
    std::string server;          // the registry these are for; empty: the one asked
    std::string registry_token;  // a Bearer token to be sent as it is
};

// Proxies as URLs; empty: none. What lies on this host is never asked through one.
struct Proxies {
    std::string http;
    std::string https;
    std::string exceptions;  // hosts, domains and networks in CIDR form, by commas; "*": all

    // HTTP_PROXY, HTTPS_PROXY, NO_PROXY and their lower-case forms, which win.
    static Proxies from_environment();
};

struct RegistryOptions {
    std::chrono::milliseconds connect_timeout{15'000};
    std::chrono::seconds stall_timeout{30};  // nothing received for so long is a broken connection
    int attempts = 5;                        // of each request that failed for a passing reason
    std::chrono::milliseconds backoff{250};  // before the second attempt; then doubled, with jitter
    // Registries that may speak plain HTTP or TLS with any certificate: "host", "host:port", or a
    // network in CIDR form.
    std::vector<std::string> insecure = {};
    // Of a registry's domain ("docker.io"): URLs of mirrors, asked before it in this order.
    std::map<std::string, std::vector<std::string>> mirrors = {};
    // Each may have <host>[:port]/{*.crt,*.cert,*.key}, see tls_files.h.
    std::vector<std::filesystem::path> certificate_folders = {};
    Proxies proxies = {};
    std::size_t parallel_downloads = 3;  // layers of one image at a time
    std::size_t parallel_uploads = 5;
    std::uint64_t upload_chunk = 16U << 20U;  // bytes of one request; smaller blobs go whole
};

}  // namespace hako::oci
