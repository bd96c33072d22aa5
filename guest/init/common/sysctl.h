// Settings of the kernel (sysctl(8)).
#pragma once

#include <string>

#include "base/result.h"

namespace hako::init {

// "net.ipv4.ip_forward", or with slashes when a name has a dot: "net/ipv4/conf/eth0.1/forwarding".
Result<void> set_sysctl(std::string name, const std::string& value);

}  // namespace hako::init
