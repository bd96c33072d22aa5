// /dev of a container: the nodes and links that the OCI runtime specification promises
// (config-linux.md, "Default Devices"), plus linux.devices.
#pragma once

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// Existing nodes are left as they are, except default devices of another kind.
Result<void> make_devices(const Fd& root, const Json& container);

}  // namespace hako::init
