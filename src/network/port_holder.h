// Which process has a port: for the sentence that a user reads when it is in use.
#pragma once

#include <string>

#include "network/types.h"

namespace hako::network {

// "nginx (pid 123)", or empty when that cannot be found out.
std::string port_holder(Protocol protocol, std::uint16_t port);

}  // namespace hako::network
