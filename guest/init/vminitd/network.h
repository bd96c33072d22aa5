// The guest's network, over rtnetlink.
#pragma once

#include "base/result.h"
#include "proto/agent.pb.h"

namespace hako::init {

// Interfaces first, then routes, in order; stops at the first that fails. Addresses and routes that
// are there already are no errors. What changes in files is not for here.
Result<void> configure_network(const agent::v1::ConfigureNetworkRequest& request);

}  // namespace hako::init
