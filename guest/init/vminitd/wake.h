// A VM that becomes a template boots up to here, and is saved while vminitd waits. Whoever loads it
// finds it waiting, and says what has changed (guest/wake.h).
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "guest/wake.h"

namespace hako::init {

// Tells the host that we wait, and blocks until its words came. Nullopt when the connection ended
// before: a socket's does, when the VM is saved. A port without a host end only waits.
Result<std::optional<guest::Wake>> wait_for_wake(int connection, bool is_port);
// The clock, then the randomness, then the drivers of the devices that were not there before and
// are needed from the start.
Result<void> wake_up(const guest::Wake& wake);

}  // namespace hako::init
