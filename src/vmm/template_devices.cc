#include "vmm/template_devices.h"

#include "vmm/qemu/arguments.h"

namespace hako::vmm {
namespace {

bool are_those_of_a_container(const MachineSpec& spec) {
    const std::size_t count = container_bays().size();
    if (disks_with_a_slot(spec) < count) return false;
    const Disk &image = spec.disks[0], &scratch = spec.disks[1];
    return image.read_only && !scratch.read_only && fits_bay(image) && fits_bay(scratch);
}

}  // namespace

TemplateDevices template_devices(const MachineSpec& spec) {
    if (!are_those_of_a_container(spec)) return {};
    const bool has_card = !spec.nics.empty() && spec.nics.front().mac == kFirstCardMac;
    return {.disks = container_bays().size(), .cards = has_card ? 1U : 0U};
}

std::vector<Disk> container_bays() {
    return {{.serial = "imagebay", .extents = {}, .read_only = true, .bay = true},
            {.serial = "scratchbay", .extents = {}, .bay = true}};
}

MachineSpec template_machine(const MachineSpec& spec, std::string_view id, std::string_view tap) {
    const TemplateDevices devices = template_devices(spec);
    MachineSpec machine = spec;
    machine.id = id;
    machine.disks = devices.disks == 0 ? std::vector<Disk>() : container_bays();
    machine.nics.assign(devices.cards, {std::string(tap), std::string(kFirstCardMac)});
    machine.shares.clear();
    machine.takes_shares = false;
    machine.state.clear();
    machine.checkpoint.clear();
    choose_agent_channel(machine);  // with an own address, where it has one
    return machine;
}

}  // namespace hako::vmm
