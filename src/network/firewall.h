// The whole nftables ruleset of one daemon: data in, `nft -j` JSON out, applied as one transaction.
// Tables: inet hako_<instance> (NAT, published ports, isolation) and bridge hako_<instance>
// (a guest sends only with its own MAC and addresses, no rogue DHCP or router advertisements).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "network/types.h"

namespace hako::network {

// All networks with a bridge and all endpoints with a tap. Order does not matter.
struct FirewallState {
    std::vector<NetworkConfig> networks = {};
    std::vector<Endpoint> endpoints = {};

    bool operator==(const FirewallState&) const = default;
};

// The document for `nft -j -f -`: removes the tables of the instance, if any, and makes them anew.
Json firewall_ruleset(const std::string& instance, const FirewallState& state);

// The document that makes of the rules of one state those of another: as large as what changes.
// None where that takes the whole ruleset: other networks, published ports that go, networks
// without icc.
std::optional<Json> firewall_change(const std::string& instance, const FirewallState& from,
                                    const FirewallState& to);

// Thread-safe.
class Firewall {
public:
    virtual ~Firewall() = default;
    // Makes the host's rules those of this state, at once: connections go on, no packet sees half
    // of it. Without networks there are no tables.
    virtual Result<void> apply(const FirewallState& state) = 0;
    // Removes our tables, if any.
    virtual Result<void> remove() = 0;
};

// By nft(8), in the network namespace of the calling process. Watches for others that flush or
// change our tables and puts them back while it lives. Rules stay when it goes. instance:
// [a-z0-9]+.
Result<std::unique_ptr<Firewall>> open_firewall(std::string instance);

}  // namespace hako::network
