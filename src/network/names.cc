#include "network/names.h"

#include "base/text.h"

namespace hako::network {

NameTable name_table(const std::vector<NetworkConfig>& networks,
                     const std::vector<Endpoint>& endpoints) {
    NameTable table;
    for (const NetworkConfig& network : networks) {
        NamedNetwork& named = table[network.id];
        named.name = to_lower(network.name);
        named.forward = !network.internal;
        for (const auto* subnet : {&network.v4, &network.v6})
            if (*subnet) named.gateways.push_back((*subnet)->gateway);
    }
    for (const Endpoint& endpoint : endpoints) {
        const auto network = table.find(endpoint.network);
        if (network == table.end()) continue;
        NamedHost host{endpoint.container, {to_lower(endpoint.name)}, {}};
        for (const std::string& alias : endpoint.aliases) host.names.push_back(to_lower(alias));
        host.names.push_back(endpoint.container.substr(0, 12));
        for (const auto& address : {endpoint.v4, endpoint.v6})
            if (address) host.addresses.push_back(*address);
        network->second.hosts.push_back(std::move(host));
    }
    return table;
}

}  // namespace hako::network
