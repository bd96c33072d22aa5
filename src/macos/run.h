// Runs a prepared machine until it ends.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/process.h"
#include "base/result.h"
#include "macos/launch.h"
#include "macos/progress.h"
#include "macos/qemu_command.h"

namespace hako::macos {

struct RunOptions {
    const JailPlace* jail = nullptr;  // null: QEMU is a process like ours
    int errors = 2;                   // where QEMU's words go
    // QEMU runs. It may end any time: then the calls of QMP fail.
    std::function<void(pid_t qemu, std::shared_ptr<vmm::QmpClient> qmp)> on_start = {};
    // Why somebody else killed QEMU, as people are told; empty: nobody did.
    std::function<std::string()> why_killed = {};
};

// What people are told of a guest that was asked to shut down and was not given more time.
std::string say_cut_off(std::chrono::steady_clock::duration waited);
constexpr std::string_view kAskedTwice = "macOS was cut off, as it was asked to end twice";

struct MachineEnd {
    ExitStatus status;     // of QEMU; killed where it was cut off
    bool cut_off = false;  // it was to shut down, and we ended it before it had
};

// Starts QEMU and waits for its end. Each record that can be read from `stop_fd` asks for the end:
// the first asks the guest, every second again, because macOS answers the first with a question;
// ten seconds before the budget is over QEMU is told to end, then killed. The second kills at once.
// A guest that stands still because the host's disk is full goes on when there is room
// (macos/room.h). The machine's sockets are removed at the end. The error says why QEMU did not
// start.
Result<MachineEnd> run_machine(const MacMachine& machine, int stop_fd, ProgressFile& progress,
                               const RunOptions& options = {});

}  // namespace hako::macos
