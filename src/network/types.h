// What a network is, as data: its configuration, who is on it, which ports are published.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "network/address.h"

namespace hako::network {

// One address range of a network; a network has at most one for each family.
struct Subnet {
    Cidr subnet;
    Address gateway;               // the bridge's own address: containers' way out and DNS server
    std::optional<Cidr> ip_range;  // where dynamic addresses come from; absent: the whole subnet
    std::map<std::string, Address> auxiliary = {};  // addresses that are never given out, by name

    bool operator==(const Subnet&) const = default;
};

inline constexpr std::string_view driver_bridge = "bridge";
inline constexpr std::string_view driver_macvlan = "macvlan";

struct NetworkConfig {
    std::string id;    // 64 hex digits
    std::string name;  // "bridge", "app_default"
    std::string driver = std::string(driver_bridge);
    std::string bridge = {};  // the host's link; see bridge_name()
    std::string parent = {};  // macvlan: the host's link that gives the LAN
    std::optional<Subnet> v4 = {};
    std::optional<Subnet> v6 = {};
    bool internal = false;   // no way out, no way in
    bool masquerade = true;  // com.docker.network.bridge.enable_ip_masquerade
    bool icc = true;         // com.docker.network.bridge.enable_icc: containers reach each other
    int mtu = 1500;
    std::map<std::string, std::string> options = {};

    bool operator==(const NetworkConfig&) const = default;
};

enum class Protocol : std::uint8_t { tcp, udp };
std::string_view to_string(Protocol protocol);
Result<Protocol> parse_protocol(std::string_view text);

// One published port. As wanted: host_ip absent is all addresses of both families, host_port 0 a
// random port, host_port_end the end of a range out of which one is taken. As Ports::reserve()
// returns it: host_ip and host_port are set and there is no range.
struct PortBinding {
    std::optional<Address> host_ip = {};
    std::uint16_t host_port = 0;
    std::uint16_t host_port_end = 0;
    std::uint16_t container_port = 0;
    Protocol protocol = Protocol::tcp;

    bool operator==(const PortBinding&) const = default;
};
// "0.0.0.0:8080->80/tcp"
std::string to_string(const PortBinding& binding);

// A container's place on a network.
struct Endpoint {
    std::string container;  // id
    std::string network;    // id
    std::string name = {};  // the container's
    std::vector<std::string> aliases = {};
    std::optional<Address> v4 = {};
    std::optional<Address> v6 = {};
    Mac mac = {};
    std::string tap = {};                 // the host's link; see tap_name()
    std::vector<PortBinding> ports = {};  // published through this endpoint, as reserved

    bool operator==(const Endpoint&) const = default;
};

// Names of links, at most 15 bytes: "hk-" and 12 digits of the network's id; "hkt" and 12 digits
// of a hash of container and network.
std::string bridge_name(std::string_view network_id);
std::string tap_name(std::string_view container_id, std::string_view network_id);

}  // namespace hako::network
