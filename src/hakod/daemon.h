// The daemon's life: lock, sockets, engine, serve until asked to stop.
#pragma once

#include "base/result.h"
#include "hakod/options.h"

namespace hako::hakod {

// Returns after SIGTERM or SIGINT. Containers go on in their virtual machines, and the next daemon
// on the same root takes them over: an upgrade is a restart. Call it once, from main, before there
// are other threads.
Result<void> run_daemon(const Options& options);

}  // namespace hako::hakod
