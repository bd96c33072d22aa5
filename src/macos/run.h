// Runs a prepared machine until it ends.
#pragma once

#include "base/process.h"
#include "base/result.h"
#include "macos/progress.h"
#include "macos/qemu_command.h"

namespace hako::macos {

// Starts QEMU and waits for its end. Each record that can be read from `stop_fd` asks for the end:
// the first asks the guest, every second again, because macOS answers the first with a question;
// ten seconds before the budget is over QEMU is told to end, then killed. The second kills at once.
// The machine's sockets are removed at the end. The error says why QEMU did not start.
Result<ExitStatus> run_machine(const MacMachine& machine, int stop_fd, ProgressFile& progress);

}  // namespace hako::macos
