// The host's network as the engine uses it.
#pragma once

#include <memory>

#include "base/paths.h"
#include "engine/networks.h"

namespace hako::engine {

std::unique_ptr<NetworkSource> open_network_source(const Layout& layout);

}  // namespace hako::engine
