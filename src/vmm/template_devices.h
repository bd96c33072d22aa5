// What a template's guest knows of its machine's devices. A guest that found a disk or a network
// card before it was saved need not look for it when it is loaded, which is as long as the rest of
// the load. So a template is made with what most containers have, in the slots where they have it:
// a disk for the image, a disk to write to, and a network card. Others are found after the load.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/machine_spec.h"

namespace hako::vmm {

// Machines with other numbers need another template.
struct TemplateDevices {
    std::size_t disks = 0;
    std::size_t cards = 0;
};
TemplateDevices template_devices(const MachineSpec& spec);

// The disks that a container's files are put into: one to read, one to write.
std::vector<Disk> container_bays();

// What is booted, and saved, for machines like this one. tap: what its card's tap is called.
MachineSpec template_machine(const MachineSpec& spec, std::string_view id, std::string_view tap);

}  // namespace hako::vmm
