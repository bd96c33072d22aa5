// From a container's mounts to what its VM and its guest have of them: folders and files are shares
// of the VM, block volumes and images are disks of it. Pure functions; where sources are named,
// they are known (locate_mounts).
#pragma once

#include <vector>

#include "engine/types.h"
#include "oci/runtime_spec.h"
#include "vmm/machine_spec.h"

namespace hako::engine {

// For config.json.
std::vector<oci::Mount> guest_mounts(const Container& container);
std::vector<vmm::Share> shares(const Container& container);
// Whether a container with these may join the VM. Which of them it can write to, the shim knows
// (runtime/vm_shares.h).
Result<void> check_shares(const vmm::MachineSpec& machine, const std::vector<vmm::Share>& wanted);
std::vector<vmm::Disk> volume_disks(const Container& container);
std::vector<vmm::Disk> image_disks(const Container& container);

}  // namespace hako::engine
