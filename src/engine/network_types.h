// Networks and containers' places on them, as plain data; names follow the Docker Engine API.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace hako::engine {

// One address range, as text; what is empty is chosen.
struct IpamRange {
    std::string subnet, ip_range, gateway;
    std::map<std::string, std::string> auxiliary = {};
};

struct NetworkRequest {
    std::string name;
    std::string driver = "bridge";  // or "macvlan"
    bool internal = false;
    bool attachable = false;
    bool enable_ipv6 = false;
    std::vector<IpamRange> ranges = {};
    std::map<std::string, std::string> ipam_options = {}, options = {}, labels = {};
};

struct NetworkMember {
    std::string name, endpoint_id, mac;
    std::string ipv4, ipv6;  // with the subnet's prefix: "172.17.0.2/16"
};

struct Network : NetworkRequest {
    std::string id;  // 64 hexadecimal digits
    WallTime created{};
    std::map<std::string, NetworkMember> members = {};  // that run, by the container's id
};

// What a container asks of one network.
struct EndpointSettings {
    std::vector<std::string> aliases = {}, links = {};  // links: "container:alias"
    std::string ipv4, ipv6, mac;                        // empty: chosen at every start
    std::map<std::string, std::string> driver_options = {};
    int gateway_priority = 0;
};

// "80/tcp" of a container is host_ip:host_port; as asked for, host_port may be empty or a range.
struct PublishedPort {
    std::string container_port, host_ip, host_port;
};

// A container's place on one network. What follows `wanted` is set while the container runs.
struct Attachment {
    std::string network_id, network_name;
    EndpointSettings wanted = {};
    std::string endpoint_id;
    std::string ipv4, gateway, ipv6, gateway_ipv6, mac;
    int prefix = 0, prefix_ipv6 = 0;
    std::vector<PublishedPort> ports = {};
    std::string interface;  // in the guest: "eth0"
    std::string card;       // the MAC that the VM's network card was made with
    // It comes or goes while the container runs: a daemon that finds it so makes it go.
    bool changes = false;

    bool live() const { return !endpoint_id.empty(); }
};

struct NetworkFilter {
    std::vector<std::string> ids, names, drivers, labels, types, scopes;
    std::optional<bool> dangling = {};
    // For prune.
    WallTime until{};
    std::vector<std::string> without_labels = {};
};

}  // namespace hako::engine
