// What a virtual machine consists of, as plain data. Machine runs it, qemu/arguments.h turns it
// into QEMU's command line, JSON carries it from hakod to the shim.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/units.h"
#include "vmm/host_device.h"
#include "vmm/share.h"

namespace hako::vmm {

enum class Accelerator { kvm, tcg };
std::string_view to_string(Accelerator accelerator);

// What carries the agent's byte stream (proto/agent.proto).
enum class AgentChannel {
    serial,  // the virtio-serial port "hako.agent"
    vsock,   // virtio-vsock, port kAgentVsockPort
};
std::string_view to_string(AgentChannel channel);
constexpr std::uint32_t kAgentVsockPort = 1024;

// A virtio disk. Several extents are joined: the disk is their concatenation. Extents are raw
// files; when there are several, each is a multiple of 512 bytes and the disk is read-only. A bay
// has none: to the guest it is a disk of kBayBytes, of zeros until files are put in while the
// machine runs (vmm/hotplug.h).
struct Disk {
    std::string serial;  // at most 20 bytes; the guest finds the disk by it
    std::vector<std::filesystem::path> extents;
    bool read_only = false;
    bool bay = false;
};
// As large as the scratch disk that a container has by default.
constexpr std::uint64_t kBayBytes = 64 * kGiB;
Result<void> validate(const Disk& disk);
// Whether a bay's guest reaches all of it. Not of a disk that cannot be looked at.
bool fits_bay(const Disk& disk);
Json to_json(const Disk& disk);
Result<Disk> disk_from_json(const Json& json);

// That of the first card of each VM with an agent. A template's guest knows the card by it
// (vmm/template_devices.h), and gives it the container's own MAC.
constexpr std::string_view kFirstCardMac = "02:68:61:6b:6f:01";
// Likewise of the one to spare: a QEMU that was kept (vmm/checkpoint.h) has it.
constexpr std::string_view kSpareCardMac = "02:68:61:6b:6f:02";

// A network card. QEMU gets the host's tap as an open descriptor, with virtio-net headers.
struct Nic {
    std::string tap;  // the link's name on the host
    std::string mac;  // that the card is made with, "02:42:ac:11:00:02"; the guest finds it by that
    // For a network that may come while the machine runs: the guest does not look at it from the
    // start. Such cards are behind the others.
    bool spare = false;
};

// The least that the guest kernel, the agent and one small process run in.
constexpr std::uint64_t kMinimumMemory = 64 * kMiB;

struct MachineSpec {
    std::string id;                // names its cgroup and its uid; the container's id
    std::filesystem::path kernel;  // an uncompressed x86-64 vmlinux with a PVH entry
    std::filesystem::path initramfs;
    // Put behind those that the machine itself needs (qemu/arguments.h).
    std::vector<std::string> kernel_arguments;
    std::uint64_t memory_bytes = 512 * kMiB;
    unsigned cpus = 1;
    Accelerator accelerator = Accelerator::tcg;
    AgentChannel channel = AgentChannel::serial;
    std::uint32_t vsock_cid = 0;  // AgentChannel::vsock: 3 or more, unique on the host
    // The host's time stamp counter, for emulated CPUs; 0: Machine measures it (10 ms).
    std::uint32_t tsc_khz = 0;
    std::vector<Disk> disks;
    std::vector<Nic> nics;
    std::vector<Share> shares;
    bool takes_shares = false;        // more of them may come while it runs
    std::vector<HostDevice> devices;  // USB ones come behind a controller of the machine
    // A template of this shape (vmm/template_file.h): the guest is loaded instead of booted.
    std::filesystem::path state;
    // A QEMU that loaded it, and was kept (vmm/checkpoint.h): the machine goes on where that stood.
    // For machines with bays only, and with no share device.
    std::filesystem::path checkpoint;
};

// Whether it has the one device that all shares come by.
inline bool has_share_device(const MachineSpec& spec) {
    return spec.takes_shares || !spec.shares.empty();
}

// ErrorKind::invalid says what is wrong: memory below the minimum, no CPU, a serial too long ...
Result<void> validate(const MachineSpec& spec);

Json to_json(const MachineSpec& spec);
// Also validates.
Result<MachineSpec> machine_spec_from_json(const Json& json);

// Sets channel and vsock_cid: vsock where this host offers it, the serial port else.
void choose_agent_channel(MachineSpec& spec);
// Takes 10 ms; exact to some millionths.
std::uint32_t measure_tsc_khz();

}  // namespace hako::vmm
