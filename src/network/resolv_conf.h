// Which resolvers a host uses: resolv.conf(5).
#pragma once

#include <chrono>
#include <filesystem>
#include <string_view>
#include <vector>

#include "network/address.h"

namespace hako::network {

// The nameserver lines; zones of link-local addresses and what is no address are passed over.
std::vector<Address> parse_resolv_conf(std::string_view text);

// Read again when a file has changed, at most once a second. Where the first file names only
// resolvers on loopback (systemd-resolved's stub), the second one's are better: they know no
// limits of the stub; where there is none, the stub it is.
class HostResolvers {
public:
    HostResolvers(std::filesystem::path first, std::filesystem::path second)
        : first_(std::move(first)), second_(std::move(second)) {}
    const std::vector<Address>& get();

private:
    std::filesystem::path first_;
    std::filesystem::path second_;
    std::chrono::steady_clock::time_point read_{};
    std::vector<Address> resolvers_;
};

}  // namespace hako::network
