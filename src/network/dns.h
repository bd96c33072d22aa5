// The DNS server: one thread, UDP and TCP on each gateway, forwarding with a cache.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "network/names.h"

namespace hako::network {

struct DnsOptions {
    // The host's resolvers are read from here, again when the file changes. When it names only
    // systemd-resolved's stub on 127.0.0.53, the second file holds the real ones.
    std::filesystem::path resolv_conf = "/etc/resolv.conf";
    std::filesystem::path systemd_resolv_conf = "/run/systemd/resolve/resolv.conf";
    std::uint16_t port = 53;                           // where we listen
    std::uint16_t upstream_port = 53;                  // where resolvers listen
    std::chrono::milliseconds upstream_timeout{2000};  // for each resolver
};

Result<std::unique_ptr<Names>> start_dns(DnsOptions options = {});

}  // namespace hako::network
