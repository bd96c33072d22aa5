// Programs of other processors: an emulator known to the kernel's binfmt_misc.
#pragma once

#include "base/result.h"
#include "proto/agent.pb.h"

namespace hako::init {

// A second one of the same name is ErrorKind::conflict.
Result<void> install_emulator(const agent::v1::InstallEmulatorRequest& request);

}  // namespace hako::init
