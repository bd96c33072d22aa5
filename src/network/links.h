// The host's links: bridges, taps, macvtaps. Everything is idempotent, and what is ours is marked
// by the link's alias ("hako <instance> ..."), so that the next daemon finds it whatever its name.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "network/types.h"

namespace hako::network {

struct BridgeSpec {
    std::string name;
    std::vector<Cidr> addresses = {};  // gateways with the subnet's prefix
    int mtu = 1500;
};
BridgeSpec bridge_spec(const NetworkConfig& network);

// A tap that stays until it is removed, or until the shim that opened it has a guest that runs:
// then it goes with QEMU. A port of the bridge.
struct TapSpec {
    std::string name;
    std::string bridge;
    int mtu = 1500;
    // A tap that somebody holds open, down and a port of nothing, becomes it; it goes with its last
    // descriptor. Empty: a new one.
    std::string waiting = {};
};

// A tap on a link of the LAN, with an address of the LAN.
struct MacvtapSpec {
    std::string name;
    std::string parent;
    Mac mac = {};
    int mtu = 1500;
};

// Thread-safe.
class HostNetwork {
public:
    virtual ~HostNetwork() = default;

    // Creates the bridge, or brings the one that is there to this state; up at the end. A link of
    // that name that is not ours: ErrorKind::conflict.
    virtual Result<void> ensure_bridge(const BridgeSpec& spec) = 0;
    virtual Result<void> ensure_tap(const TapSpec& spec) = 0;
    // The other way round: down, a port of nothing, without our mark. Success also when it is gone.
    virtual Result<void> let_wait(const std::string& name, const std::string& waiting) = 0;
    // Its parent is there: ErrorKind::not_found.
    virtual Result<void> ensure_macvtap(const MacvtapSpec& spec) = 0;
    // Success when the host has a link of that name, whoever made it; ErrorKind::not_found.
    virtual Result<void> find_parent(const std::string& name) const = 0;
    // Success also when there is none; a link that is not ours stays (ErrorKind::conflict).
    virtual Result<void> remove_link(const std::string& name) = 0;
    // Names of the links that are ours.
    virtual Result<std::set<std::string>> links() const = 0;
    // Removes what is ours and not in `known`.
    virtual Result<void> recover(const std::set<std::string>& known) = 0;
    // What the host reaches without its default route, for Ipam::choose_subnet(). Without our own.
    virtual Result<std::vector<Cidr>> routes() const = 0;
    // Lets the kernel forward packets of that family between links.
    virtual Result<void> enable_forwarding(Family family) = 0;
};

// By route netlink, in the network namespace of the calling process. instance: [a-z0-9]+.
Result<std::unique_ptr<HostNetwork>> open_host_network(std::string instance);

// QEMU's end of a tap or macvtap: a descriptor for `-netdev tap,fd=N`, with virtio-net headers.
// Whoever starts QEMU opens it; one at a time.
Result<Fd> open_tap(const std::string& name);

}  // namespace hako::network
