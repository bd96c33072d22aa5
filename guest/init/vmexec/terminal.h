// The terminal of a process with process.terminal, from the container's own devpts.
#pragma once

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// Runs in the container's root, as the leader of a session. Makes the new terminal standard input,
// output and error and the session's controlling terminal; with console, /dev/console shows it too.
// The result is the master.
Result<Fd> open_terminal(const Json& process, bool console);

}  // namespace hako::init
