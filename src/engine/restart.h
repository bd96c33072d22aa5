// Restart policies: when a container that ended is started again, and how long that waits.
#pragma once

#include <chrono>

#include "base/result.h"
#include "engine/types.h"

namespace hako::engine {

// After its end. What a user stopped stays as it is.
bool restarts_after_exit(const HostConfig& policy, const ContainerState& ended);
// With the daemon, after a reboot or a crash: "always" also what a user had stopped.
bool restarts_with_daemon(const HostConfig& policy, const ContainerState& ended);

// 100 ms, doubled each time up to a minute; from the start again after a run of ten seconds.
// last: zero before the first restart.
std::chrono::milliseconds next_back_off(std::chrono::milliseconds last,
                                        std::chrono::steady_clock::duration ran);

// ErrorKind::invalid for an unknown policy, and for one that contradicts the rest.
Result<void> check_restart_policy(const HostConfig& config);

}  // namespace hako::engine
