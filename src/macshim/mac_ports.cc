#include "macshim/mac_ports.h"

#include <algorithm>

#include "http/endpoint.h"
#include "network/sockets.h"

namespace hako::macshim {
namespace {

using macos::PortForward;
using network::Address;

constexpr std::string_view kLoopback = "127.0.0.1";

// Of QEMU, by which a relay reaches that port of the guest: a published one, or a new one.
Result<PortForward> way_in(std::vector<PortForward>& forwards, const PortForward& wanted,
                           network::Protocol protocol) {
    const auto found = std::ranges::find_if(forwards, [&](const PortForward& forward) {
        return forward.guest == wanted.guest && forward.protocol == wanted.protocol;
    });
    if (found != forwards.end()) return *found;
    HAKO_TRY(const auto loopback, Address::parse(kLoopback));
    HAKO_TRY(const Fd free, network::bind_socket(protocol, {loopback, 0}));
    HAKO_TRY(const auto port, http::bound_port(free.get()));
    forwards.push_back({wanted.protocol, port, wanted.guest, std::string(kLoopback)});
    return forwards.back();
}

}  // namespace

Result<MacPorts> open_ports(const std::vector<PortForward>& wanted) {
    MacPorts ports;
    std::vector<PortForward> relayed;
    for (const PortForward& port : wanted) {
        HAKO_TRY(const auto address, Address::parse(port.address));
        (address.is_v4() ? ports.forwards : relayed).push_back(port);
    }
    if (relayed.empty()) return ports;
    HAKO_TRY(ports.relays, network::start_ports());
    for (const PortForward& port : relayed) {
        HAKO_TRY(const auto protocol, network::parse_protocol(port.protocol));
        HAKO_TRY(const auto address, Address::parse(port.address));
        HAKO_TRY(const auto way, way_in(ports.forwards, port, protocol));
        HAKO_TRY(auto target, Address::parse(way.address));
        if (target == Address()) {
            HAKO_TRY(target, Address::parse(kLoopback));
        }
        const auto name = fmt::format("{} {} {}", port.protocol, port.address, port.host);
        HAKO_CHECK(ports.relays->reserve(name, name,
                                         {{.host_ip = address,
                                           .host_port = port.host,
                                           .container_port = way.host,
                                           .protocol = protocol}}));
        HAKO_CHECK(ports.relays->forward(name, target, std::nullopt));
    }
    return ports;
}

}  // namespace hako::macshim
