// Starts QEMU for a macOS machine: as a process like ours, or locked in a jail (vmm/jail.h) where
// it has nothing but the descriptors that it is given.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"
#include "macos/qemu_command.h"
#include "vmm/qemu/qmp.h"

namespace hako::macos {

struct JailPlace {
    std::vector<std::string> program;  // {"<bin>/hako-shim", "jail"}
    std::string machine;               // names its cgroup and its uid
    std::filesystem::path screen;      // the socket that it is given its viewers by; short
    uid_t viewer = 0;                  // whose that is
    int lan = -1;                      // its link of the LAN, borrowed
};

struct RunningQemu {
    Process process;
    std::unique_ptr<vmm::QmpClient> qmp;
};

// errors: where QEMU's words go. The calling thread must outlive a jailed QEMU. The error says why
// there is none.
Result<RunningQemu> launch(const MacMachine& machine, int errors);
Result<RunningQemu> launch_jailed(const MacMachine& machine, const JailPlace& jail, int errors);

}  // namespace hako::macos
