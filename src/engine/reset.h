// hakod --reset, what `hako system reset` runs: the host as if there had been no daemon.
#pragma once

#include "base/paths.h"
#include "base/result.h"

namespace hako::engine {

// Ends the VMs, removes this daemon's links and firewall rules, then all that lies in its root.
// Needs no database that can be read. ErrorKind::conflict names the daemon that still runs;
// invalid: the root is not one of a daemon.
Result<void> reset(const Layout& layout);

}  // namespace hako::engine
