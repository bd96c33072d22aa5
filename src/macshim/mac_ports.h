// Ports of the host that lead into the guest. QEMU's user network serves those on IPv4 addresses;
// those on IPv6 ones are relayed to them.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "macos/settings.h"
#include "network/ports.h"

namespace hako::macshim {

struct MacPorts {
    std::vector<macos::PortForward> forwards;  // for QEMU, which opens them
    std::unique_ptr<network::Ports> relays;  // of the others, as long as this is there; may be null
};

Result<MacPorts> open_ports(const std::vector<macos::PortForward>& wanted);

}  // namespace hako::macshim
