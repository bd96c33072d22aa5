// Published ports: held for a container before its VM starts, and relayed by us where DNAT does not
// reach (127.0.0.1, ::1, IPv6 to a container that has none). See firewall.h for DNAT.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/types.h"

namespace hako::network {

// Thread-safe.
class Ports {
public:
    virtual ~Ports() = default;
    // Binds the host's side of all bindings, or of none, and says which they became: one entry for
    // each host address. Connections wait until forward(). Reserving again replaces nothing: the
    // container must be released first. A port in use: ErrorKind::conflict, with its holder.
    virtual Result<std::vector<PortBinding>> reserve(const std::string& container,
                                                     const std::string& container_name,
                                                     const std::vector<PortBinding>& wanted) = 0;
    // Relays to the container's addresses from now on, and to others no more: at least one of them.
    virtual Result<void> forward(const std::string& container, std::optional<Address> v4,
                                 std::optional<Address> v6) = 0;
    // Frees the ports and ends what is relayed. Success also when there are none.
    virtual void release(const std::string& container) = 0;
};

// Random ports come from 32768-60999 (the kernel's own range).
Result<std::unique_ptr<Ports>> start_ports();

}  // namespace hako::network
