// MachineSpec -> QEMU's command line. Everything QEMU uses comes to it as an open descriptor, so
// that it needs no right to open a disk and no path to a socket; only the kernel and the initramfs
// are opened by name, by a machine that boots.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/process.h"
#include "vmm/machine_spec.h"
#include "vmm/qemu/disk_node.h"

namespace hako::vmm {

// The descriptors that QEMU inherits: sockets first, then the disks' files and the taps.
constexpr int kQmpFd = 3;
constexpr int kConsoleFd = 4;
constexpr int kAgentFd = 5;  // not with AgentChannel::vsock
constexpr int kStateFd = 6;  // where MachineSpec::state is loaded from, else unused
constexpr int kShareFd = 7;  // the connection to the share server (vmm/share_server.h), if any
constexpr int kFirstDiskFd = 8;

// Where disks are added while the machine runs (vmm/hotplug.h).
constexpr std::string_view kScsiBus = "scsi.0";

struct TapFile {
    int fd;
    Nic nic;
};

struct QemuLaunch {
    Command command;
    std::vector<DiskFile> files;
    std::vector<TapFile> taps;
};

// What QEMU knows MachineSpec::disks[index] by, device and block node.
std::string disk_name(std::size_t index);

// What QEMU rounds the guest's memory to.
std::uint64_t memory_bytes_of(const MachineSpec& spec);

// ErrorKind::not_found or invalid: a disk's extent is missing or cannot be joined.
// saves: what the machine is started for is its state.
Result<QemuLaunch> qemu_launch(const MachineSpec& spec, const std::filesystem::path& qemu,
                               bool saves = false);

// How many of the spec's disks find a slot beside its network cards and shares. The others can be
// added once the guest runs (vmm/hotplug.h).
std::size_t disks_with_a_slot(const MachineSpec& spec);

// Whether a spare card has a slot that no disk of the first two, root and scratch, would have.
bool has_room_for_spare(const MachineSpec& spec);
// How many of the slots that the kernel is told of a loaded guest looks into, from the first on,
// for what it needs from the start; 0: its template knows all of that.
unsigned slots_to_look_into(const MachineSpec& spec);

// What the kernel is told: the machine's own arguments, then the spec's.
std::string kernel_command_line(const MachineSpec& spec);

}  // namespace hako::vmm
