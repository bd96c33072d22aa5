// Which networks a list or a prune is about.
#pragma once

#include "engine/network_types.h"

namespace hako::engine {

// in_use: a container runs on it.
bool matches(const Network& network, bool predefined, bool in_use, const NetworkFilter& filter);

}  // namespace hako::engine
