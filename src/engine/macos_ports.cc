// The ports of the host that lead to a macOS machine: to its viewer, and into the guest.
#include <algorithm>

#include "engine/macos.h"
#include "engine/network_record.h"
#include "macos/machine_request.h"
#include "macos/settings.h"
#include "network/ports.h"

namespace hako::engine {
namespace {

using macos::MacSettings;

bool is_viewer(const network::PortBinding& port, const MacSettings& settings) {
    return settings.display == macos::Display::web && port.protocol == network::Protocol::tcp &&
           port.container_port == settings.web_port;
}

macos::PortForward to_forward(const network::PortBinding& port) {
    return {std::string(network::to_string(port.protocol)), port.host_port, port.container_port,
            network::to_string(port.host_ip.value_or(network::Address()))};
}

// Those of -p; into a guest that is on the LAN, or on no network, leads none.
Result<std::vector<network::PortBinding>> published(const Container& container,
                                                    const MacSettings& settings) {
    std::vector<network::PortBinding> ports;
    if (on_no_network(container)) return ports;
    for (const PublishedPort& port : wanted_ports(container)) {
        HAKO_TRY(const auto binding, to_binding(port));
        if (is_viewer(binding, settings) || settings.network == macos::Network::user)
            ports.push_back(binding);
    }
    return ports;
}

// Those of USER_PORTS, but for guests' ports that are published anyhow.
Result<std::vector<network::PortBinding>> named_by_variable(
    const MacSettings& settings, const std::vector<network::PortBinding>& published) {
    std::vector<network::PortBinding> ports;
    if (settings.network != macos::Network::user) return ports;
    for (const auto& port : settings.ports) {
        HAKO_TRY(const auto protocol, network::parse_protocol(port.protocol));
        HAKO_TRY(const auto address, network::Address::parse(port.address));
        const auto leads_there = [&](const network::PortBinding& other) {
            return other.container_port == port.guest && other.protocol == protocol;
        };
        if (std::ranges::none_of(published, leads_there))
            ports.push_back({.host_ip = address,
                             .host_port = port.host,
                             .container_port = port.guest,
                             .protocol = protocol});
    }
    return ports;
}

}  // namespace

Result<std::vector<PublishedPort>> publish_macos(const Container& container,
                                                 runtime::SandboxSpec& spec) {
    HAKO_TRY(auto request, macos::machine_request_of(spec.container.oci_spec));
    HAKO_TRY(const auto parsed, macos::parse_settings(request.variables, macos::host_size()));
    HAKO_TRY(auto wanted, published(container, parsed.settings));
    HAKO_TRY(const auto others, named_by_variable(parsed.settings, wanted));
    // Held while they are chosen only: its shim and QEMU open them, and keep them without us.
    HAKO_TRY(const auto ports, network::start_ports());
    HAKO_TRY(const auto held, ports->reserve(container.id, container.name, wanted));
    HAKO_CHECK(with_context(ports->reserve(container.id + " USER_PORTS", container.name, others),
                            "USER_PORTS"));

    std::vector<macos::ViewerPlace> viewer;
    std::vector<PublishedPort> answer;
    for (const auto& port : held) {
        answer.push_back(to_published(port));
        const auto forward = to_forward(port);
        if (is_viewer(port, parsed.settings)) viewer.push_back({forward.address, forward.host});
        else request.ports.push_back(forward);
    }
    for (const auto& port : others) request.ports.push_back(to_forward(port));
    if (!viewer.empty()) request.viewer = std::move(viewer);
    spec.container.oci_spec = macos::machine_config(request);
    return answer;
}

}  // namespace hako::engine
