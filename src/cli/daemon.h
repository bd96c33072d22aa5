// Our own daemon as a process: started, stopped and looked at by the CLI.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/result.h"
#include "cli/host.h"

namespace hako::cli {

// Starts hakod, which lies beside our own executable, in a session of its own with its output
// appended to the log, and waits until it answers. Another one that was started meanwhile is as
// good. The error carries the log's last lines.
Result<void> start_daemon(const DaemonPaths& paths,
                          std::chrono::milliseconds deadline = std::chrono::seconds(30));

// The pid of the hakod that serves the socket. ErrorKind::unavailable when none does; conflict when
// the socket belongs to something else (systemd's socket activation).
Result<pid_t> daemon_pid(const DaemonPaths& paths);

// Asks it to end (SIGTERM) and waits until it has. Containers go on.
Result<void> stop_daemon(const DaemonPaths& paths,
                         std::chrono::milliseconds deadline = std::chrono::seconds(30));

// Stops it, if it runs, and has hakod undo all that it did: VMs, networks, rules, files.
Result<void> reset_daemon(const DaemonPaths& paths);

}  // namespace hako::cli
