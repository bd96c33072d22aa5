// A container's host name and its /etc/hosts.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace hako::engine {

// What its networks add.
struct HostsEntries {
    std::vector<std::string> addresses = {};  // the container's own; none: the loopback's
    std::string gateway;                      // what host-gateway stands for; empty: nothing
};

// The first 12 digits of the id, where the container has no name of its own inside.
std::string hostname_of(const Container& container);
// "name:address" or "name:host-gateway", without what would end a line of /etc/hosts.
Result<void> check_extra_hosts(const std::vector<std::string>& hosts);
std::string hosts_file(const Container& container, const HostsEntries& entries = {});

}  // namespace hako::engine
