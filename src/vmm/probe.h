// Which accelerator works here. /dev/kvm may open and still be useless (nested virtualisation that
// hangs a guest), so a tiny VM is run once per host boot and the verdict remembered.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/paths.h"
#include "base/result.h"
#include "vmm/machine_spec.h"

namespace hako::vmm {

struct ProbeResult {
    Accelerator accelerator = Accelerator::tcg;
    std::string reason;         // why not KVM, or how it was found to work: a sentence
    std::uint32_t tsc_khz = 0;  // for MachineSpec::tsc_khz
};

// Boots a VM with KVM; success when its agent speaks in time.
using ProbeRunner = std::function<Result<void>()>;

// The verdict for this boot of the host and this QEMU, from layout.probe_verdict() or by a new
// probe (some seconds at most). HAKO_ACCEL=kvm|tcg overrides, HAKO_ACCEL=auto is the default; other
// values are ErrorKind::invalid.
Result<ProbeResult> probe_accelerator(const Layout& layout, const Installation& installation);

// Everything that the verdict hangs on, for tests.
struct ProbeEnvironment {
    std::string override_value;  // HAKO_ACCEL
    std::filesystem::path kvm_device;
    std::filesystem::path verdict;  // the file that remembers
    std::string key;                // host boot and QEMU: a verdict with another key is void
    ProbeRunner run;
};
Result<ProbeResult> probe_accelerator(const ProbeEnvironment& environment);

}  // namespace hako::vmm
