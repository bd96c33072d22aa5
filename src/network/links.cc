#include "network/links.h"

namespace hako::network {

BridgeSpec bridge_spec(const NetworkConfig& network) {
    BridgeSpec spec{network.bridge, {}, network.mtu};
    for (const auto* subnet : {&network.v4, &network.v6})
        if (*subnet) spec.addresses.push_back({(*subnet)->gateway, (*subnet)->subnet.prefix});
    return spec;
}

}  // namespace hako::network
