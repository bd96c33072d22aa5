// Which subnets and addresses are taken. A value without a memory of its own on disk: after a
// restart it is filled again from the networks and endpoints that are known. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "network/types.h"

namespace hako::network {

// Where subnets come from that nobody asked for: pieces of `size` bits out of `base`.
struct Pool {
    Cidr base;
    int size;
};
// Docker's: 172.17.0.0/16 ... 172.31.0.0/16, then 192.168.0.0/20 and on.
std::vector<Pool> default_v4_pools();
// A /48 out of fd00::/8 (RFC 4193), always the same for the same seed (the machine's id), in /64s.
std::vector<Pool> ula_pools(std::string_view seed);

// What a user may say about a subnet; all of it may be absent.
struct SubnetRequest {
    Family family = Family::v4;
    std::optional<Cidr> subnet = {};
    std::optional<Cidr> ip_range = {};
    std::optional<Address> gateway = {};
    std::map<std::string, Address> auxiliary = {};
};

class Ipam {
public:
    explicit Ipam(std::vector<Pool> v4 = default_v4_pools(), std::vector<Pool> v6 = ula_pools(""));

    // The subnet for a new network: the one asked for, checked, or the first of the pools that
    // overlaps neither a network nor one of the host's routes. Errors: ErrorKind::invalid (not in
    // the subnet, too small), conflict (overlaps; names the network), exhausted (no pool is left).
    // Nothing is recorded: add_network() does that.
    Result<Subnet> choose_subnet(const SubnetRequest& request,
                                 std::span<const Cidr> host_routes) const;

    void add_network(const NetworkConfig& network);
    void remove_network(const std::string& network_id);

    // An address for the container: the wanted one, or the next free one - not the one that was
    // freed last. Errors: conflict names the container that has it; exhausted.
    Result<Address> allocate(const std::string& network_id, Family family,
                             const std::string& container, std::optional<Address> wanted = {});
    // Takes the addresses of an endpoint that is known from before a restart.
    Result<void> restore(const Endpoint& endpoint);
    void release(const std::string& network_id, const Address& address);
    // All addresses of the endpoint.
    void release(const Endpoint& endpoint);

private:
    struct Range {
        Subnet subnet;
        std::map<Address, std::string> taken = {};  // by whom: container id, or a word in brackets
        std::optional<Address> last = {};           // given out last
    };
    struct Network {
        std::string name;
        std::map<Family, Range> ranges = {};
    };
    Result<Range*> range_of(const std::string& network_id, Family family);

    std::map<Family, std::vector<Pool>> pools_;
    std::map<std::string, Network> networks_;
};

}  // namespace hako::network
