// The device cgroup: which device nodes the processes of a cgroup may make, read and write. In
// cgroup v2 that is a BPF program.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::init {

struct DeviceRule {
    bool allow = false;
    std::uint32_t type = 0;                     // BPF_DEVCG_DEV_*; 0: any
    std::optional<std::uint32_t> major, minor;  // unset: any
    std::uint32_t access = 0;                   // BPF_DEVCG_ACC_*
    friend bool operator==(const DeviceRule&, const DeviceRule&) = default;
};

// linux.resources.devices, in its order; nullopt where there is no such list. An entry may name a
// node of the VM by `path` in place of its type and numbers.
Result<std::optional<std::vector<DeviceRule>>> device_rules(const Json& resources);
// The last rule for an access decides; what none is for is allowed.
std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);

// Applies rules to cgroups. What the kernel does to check and compile a program is done for the
// usual rules ahead: before a VM's state is saved, not at each start from it. Thread-safe.
class DeviceFilters {
public:
    DeviceFilters();

    // Nested cgroups may restrict it further. ErrorKind::unimplemented where the kernel has no such
    // programs.
    Result<void> apply(int cgroup, const std::vector<DeviceRule>& rules) const;

private:
    std::vector<DeviceRule> usual_rules_;
    Fd usual_;  // none in a kernel without such programs
};

}  // namespace hako::init
