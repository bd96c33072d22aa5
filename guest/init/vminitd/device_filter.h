// The device cgroup: which device nodes the processes of a cgroup may make, read and write. In
// cgroup v2 that is a BPF program.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

struct DeviceRule {
    bool allow = false;
    std::uint32_t type = 0;                     // BPF_DEVCG_DEV_*; 0: any
    std::optional<std::uint32_t> major, minor;  // unset: any
    std::uint32_t access = 0;                   // BPF_DEVCG_ACC_*
};

// linux.resources.devices, in its order; nullopt where there is no such list. An entry may name a
// node of the VM by `path` in place of its type and numbers.
Result<std::optional<std::vector<DeviceRule>>> device_rules(const Json& resources);
// The last rule for an access decides; what none is for is allowed.
std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);
// Nested cgroups may restrict it further. ErrorKind::unimplemented where the kernel has no such
// programs.
Result<void> attach_device_program(int cgroup, const std::vector<bpf_insn>& program);

}  // namespace hako::init
