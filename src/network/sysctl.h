// The kernel's network settings, of the calling thread's network namespace.
#pragma once

#include <string>

#include "network/address.h"

namespace hako::network {

// Writes below /proc/sys/net, unless it is so already: "ipv4/ip_forward".
Result<void> set_sysctl(const std::string& name, const std::string& value);
bool has_ipv6();
// Forwarding of the family; links that took router advertisements go on doing so.
Result<void> set_forwarding(Family family);

}  // namespace hako::network
