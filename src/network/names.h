// Names of containers: what the DNS servers on the networks' gateways answer.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "network/types.h"

namespace hako::network {

// A container on one network. Several hosts may share a name: answers go round robin.
struct NamedHost {
    std::string container;           // id: a container's queries see all of its networks
    std::vector<std::string> names;  // the first is the reverse look-up's answer
    std::vector<Address> addresses;
    // Where the container's other queries go (--dns); empty: the host's resolvers.
    std::vector<Address> resolvers = {};
    std::map<std::string, std::string> links = {};  // what it alone calls others: by one of theirs

    bool operator==(const NamedHost&) const = default;
};

struct NamedNetwork {
    std::vector<Address> gateways;  // where the server listens, port 53; also host.docker.internal
    std::vector<NamedHost> hosts = {};
    std::string name = {};  // "web.NAME" is the container web on this network
    bool forward = true;    // ask resolvers for other names; false: an internal network's NXDOMAIN

    bool operator==(const NamedNetwork&) const = default;
};

// By network id.
using NameTable = std::map<std::string, NamedNetwork>;

// The names and the network of these records.
NameTable name_table(const std::vector<NetworkConfig>& networks,
                     const std::vector<Endpoint>& endpoints);

// Thread-safe.
class Names {
public:
    virtual ~Names() = default;
    // Answers by this table from now on, all of it at once; starts and stops to listen on gateways
    // that came and went. An address that cannot be bound is an error; the rest works.
    virtual Result<void> set(NameTable table) = 0;
};

}  // namespace hako::network
