// The machine's own network, which macOS is behind: each card asks for an address.
#pragma once

#include <vector>

#include "base/process.h"

namespace hako::appliance {

// Ends with its processes. Without a network macOS runs all the same.
std::vector<Process> start_network();

}  // namespace hako::appliance
