// gRPC's locks, as Debian builds Abseil, look for deadlocks: each lock is an edge in a graph of
// all.
#pragma once

#include <absl/synchronization/mutex.h>

namespace hako::guest {

// For all of this process. Before its first channel or server.
inline void leave_lock_checks_out() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace hako::guest
