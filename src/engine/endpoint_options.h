// What a container asks of its interface on a network by Docker's options:
//   com.docker.network.endpoint.ifname=wan0
//   com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=0
// Other options are of drivers that are not here, and mean nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/network_types.h"

namespace hako::engine {

// others: what the container has besides. ErrorKind::invalid names the option.
Result<void> check_endpoint_options(const Attachment& attachment,
                                    const std::vector<Attachment>& others);

// What its interface is to be called: as it asks, else "eth1", where there is a first one among the
// others.
std::string interface_name(const Attachment& attachment, const std::vector<Attachment>& others);
// Of the interface that it has: path below /proc/sys and value.
std::map<std::string, std::string> interface_sysctls(const Attachment& attachment);

}  // namespace hako::engine
