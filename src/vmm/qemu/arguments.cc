#include "vmm/qemu/arguments.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "vmm/memory_path.h"
#include "vmm/template_devices.h"

namespace hako::vmm {
namespace {

using Arguments = std::vector<std::string>;

void add(Arguments& list, std::initializer_list<std::string> words) {
    list.insert(list.end(), words);
}

// The mmio bus of microvm without ACPI (hw/i386/microvm.c): eight slots, in the order in which they
// are used. Slot 3's interrupt is the real-time clock's. Our kernel has no driver for that, and
// nobody else's shall miss more than the last device.
constexpr std::array kSlots{0U, 1U, 2U, 4U, 5U, 6U, 7U, 3U};
constexpr unsigned kFirstInterrupt = 5;
constexpr std::uint64_t kSlotAddress = 0xfeb00000;
constexpr std::uint64_t kSlotBytes = 512;
constexpr std::string_view kMemoryName = "microvm.ram";  // as the machine itself would name it

// Hands the slots out in order. With ACPI there are 24 of them, on an interrupt controller of their
// own, and QEMU 7.2 mistakes the first one's interrupt for the timer's (hw/intc/ioapic.c).
class Slots {
public:
    Slots(Arguments& list, bool acpi) : list_(list), acpi_(acpi) {}
    // A device on the bus; its options follow its name.
    void add_device(std::string_view name, std::string_view options) {
        const unsigned slot = acpi_ ? used_ + 1 : kSlots.at(used_);
        ++used_;
        add(list_, {"-device", fmt::format("{},bus=virtio-mmio-bus.{}{}{}", name, slot,
                                           options.empty() ? "" : ",", options)});
    }

private:
    Arguments& list_;
    const bool acpi_;
    unsigned used_ = 0;
};

constexpr unsigned kOwnSlots = 3;  // of the agent channel, the balloon and the SCSI controller

// Slots that are free for disks and network cards.
std::size_t free_slots(const MachineSpec& spec) {
    return kSlots.size() - kOwnSlots - (has_share_device(spec) ? 1 : 0);
}

// All slots, whatever is on them: a guest's saved state then fits machines with other devices, and
// an empty slot costs nothing.
std::string slot_announcements() {
    std::string text;
    for (const unsigned slot : kSlots)
        text += fmt::format(" virtio_mmio.device={}@{:#x}:{}", kSlotBytes,
                            kSlotAddress + slot * kSlotBytes, kFirstInterrupt + slot);
    return text;
}

std::uint64_t memory_mib(const MachineSpec& spec) { return (spec.memory_bytes + kMiB - 1) / kMiB; }

bool has_device(const MachineSpec& spec, HostDevice::Bus bus) {
    return std::ranges::find(spec.devices, bus, &HostDevice::bus) != spec.devices.end();
}

void add_machine(Arguments& list, const MachineSpec& spec) {
    const auto on = [](bool yes) { return yes ? "on" : "off"; };
    // Interval timer and real-time clock stay: without KVM's clock the kernel waits for them.
    // Devices of the host want buses, and those want ACPI, which wants a firmware that knows it.
    add(list, {"-machine",
               fmt::format("microvm,acpi={},auto-kernel-cmdline=off,x-option-roms=off,"
                           "isa-serial=on,rtc=on,pit=on,pic=on,usb={},pcie={},graphics=off",
                           on(!spec.devices.empty()), on(has_device(spec, HostDevice::Bus::usb)),
                           on(has_device(spec, HostDevice::Bus::pci))),
               "-global", "virtio-mmio.force-legacy=false"});
    if (!spec.devices.empty()) add(list, {"-bios", "qboot.rom"});
    if (spec.accelerator == Accelerator::kvm) add(list, {"-accel", "kvm", "-cpu", "host"});
    // One thread for all emulated processors: with a thread each, QEMU 7.2 now and then lets one of
    // them run into a breakpoint that the kernel put up while it patched its own code, and panic.
    // Without "fast string operations" the guest moves 8 bytes at a time, not 1: emulated, each is
    // as slow as the other.
    else add(list, {"-accel", "tcg,thread=single,tb-size=64", "-cpu", "max,-erms,-fsrm"});
    add(list, {"-m", fmt::format("{}M", memory_mib(spec)), "-smp", std::to_string(spec.cpus)});
    // What is loaded (vmm/migration.h) has its kernel in its memory.
    if (!spec.state.empty()) return add(list, {"-incoming", "defer"});
    add(list, {"-kernel", spec.kernel.native(), "-initrd", spec.initramfs.native(), "-append",
               kernel_command_line(spec)});
}

void add_chardev(Arguments& list, std::string_view id, int fd) {
    add(list, {"-chardev", fmt::format("socket,id={},fd={}", id, fd)});
}

void add_control(Arguments& list) {
    add_chardev(list, "qmp", kQmpFd);
    add(list, {"-mon", "chardev=qmp,mode=control"});
    add_chardev(list, "console", kConsoleFd);
    add(list, {"-serial", "chardev:console"});
}

void add_agent_channel(Arguments& list, Slots& slots, const MachineSpec& spec) {
    if (spec.channel == AgentChannel::vsock)
        return slots.add_device("vhost-vsock-device", fmt::format("guest-cid={}", spec.vsock_cid));
    add_chardev(list, "agent", kAgentFd);
    slots.add_device("virtio-serial-device", "max_ports=2");  // port 0 is reserved
    add(list, {"-device", "virtserialport,chardev=agent,name=hako.agent"});
}

int next_fd(const QemuLaunch& launch) {
    return kFirstDiskFd + static_cast<int>(launch.files.size() + launch.taps.size());
}

// Those from the first to the one before the last.
Result<void> add_disks(QemuLaunch& launch, Slots& slots, const MachineSpec& spec, std::size_t first,
                       std::size_t last) {
    auto& list = launch.command.argv;
    for (std::size_t i = first; i < last; ++i) {
        const auto name = disk_name(i);
        HAKO_TRY(auto node, disk_node(spec.disks[i], name, next_fd(launch)));
        for (const auto& file : node.files)
            add(list, {"-add-fd", fmt::format("fd={0},set={0}", file.fd)});
        add(list, {"-blockdev", as_option(node.options)});
        // A full disk is the guest's to hear of: QEMU would stop the whole machine.
        slots.add_device("virtio-blk-device",
                         fmt::format("id={0},drive={0},serial={1},werror=report,rerror=report",
                                     name, spec.disks[i].serial));
        std::ranges::move(node.files, std::back_inserter(launch.files));
    }
    return {};
}

void add_nics(QemuLaunch& launch, Slots& slots, const MachineSpec& spec, std::size_t first,
              std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
        const int fd = next_fd(launch);
        add(launch.command.argv, {"-netdev", fmt::format("tap,id=nic{},fd={}", i, fd)});
        // A guest that was loaded is nowhere known yet: it has nothing to announce. What comes by
        // the tap is for it: it need not tell QEMU, in a question each, what to let through.
        slots.add_device("virtio-net-device",
                         fmt::format("netdev=nic{},mac={},guest_announce=off,ctrl_rx=off,"
                                     "ctrl_vlan=off",
                                     i, spec.nics[i].mac));
        launch.taps.push_back({fd, spec.nics[i]});
    }
}

void add_memory(Arguments& list, std::string_view type, const MachineSpec& spec) {
    add(list, {"-object",
               fmt::format("{},id={},size={}M,x-use-canonical-path-for-ramblock-id=off", type,
                           kMemoryName, memory_mib(spec)),
               "-machine", fmt::format("memory-backend={}", kMemoryName)});
}

// A loaded guest's memory is a private mapping of its template (src/qemu-memory/). Where the share
// server reads and writes it, or somebody saves it, it is a file which both map. The name is always
// that of a machine which says nothing of its memory: one state fits all. What is 2 MiB to the
// guest is so to the host, too: huge pages, and what the guest gives back.
void add_memory(Arguments& list, const MachineSpec& spec, bool saves) {
    const bool shared = has_share_device(spec);
    if (!spec.state.empty())
        add_memory(
            list,
            fmt::format("memory-backend-file,mem-path={}{},share={},align=2M",
                        shared ? kMemoryCopyPath : kMemoryPath, kStateFd, shared ? "on" : "off"),
            spec);
    else if (shared || saves) add_memory(list, "memory-backend-memfd,share=on", spec);
}

void add_shares(Arguments& list, Slots& slots) {
    add_chardev(list, "shares", kShareFd);
    slots.add_device("vhost-user-fs-device", fmt::format("chardev=shares,tag={}", kShareTag));
}

// USB devices are opened for QEMU, as disks are. QEMU 7.2 opens VFIO's by itself.
void add_devices(QemuLaunch& launch, const MachineSpec& spec) {
    auto& list = launch.command.argv;
    for (const auto& device : spec.devices) {
        if (device.bus == HostDevice::Bus::pci) {
            add(list, {"-device", fmt::format("vfio-pci,host={}", device.address)});
            continue;
        }
        const int fd = next_fd(launch);
        add(list, {"-add-fd", fmt::format("fd={0},set={0}", fd), "-device",
                   fmt::format("usb-host,hostdevice=/dev/fdset/{}", fd)});
        launch.files.push_back({.fd = fd, .path = device.node, .read_only = false});
    }
}

}  // namespace

std::string disk_name(std::size_t index) { return fmt::format("disk{}", index); }

std::uint64_t memory_bytes_of(const MachineSpec& spec) { return memory_mib(spec) * kMiB; }

std::string kernel_command_line(const MachineSpec& spec) {
    Arguments words{"console=ttyS0", "quiet", "panic=-1", "reboot=t"};
    // With ACPI, which announces the slots itself, the interval timer comes by another way than
    // the tables say, and the kernel finds it by its check.
    const bool acpi = !spec.devices.empty();
    if (acpi) add(words, {"tsc=reliable", "usb-storage.delay_use=0"});
    else add(words, {"no_timer_check", "tsc=reliable", "acpi=off"});
    add(words, {"noreplace-smp", fmt::format("hako.agent={}", to_string(spec.channel)),
                // The controller is empty at first: asking 256 targets would only cost.
                "scsi_mod.scan=manual",
                // Pressure (PSI) is counted at every switch between processes.
                "psi=0"});
    // An emulated CPU's time stamp counter is the host's, and microvm has nothing to measure it by.
    if (spec.accelerator == Accelerator::tcg && spec.tsc_khz != 0)
        words.push_back(fmt::format("tsc_early_khz={}", spec.tsc_khz));
    words.insert(words.end(), spec.kernel_arguments.begin(), spec.kernel_arguments.end());
    return fmt::format("{}{}", fmt::join(words, " "), acpi ? "" : slot_announcements());
}

std::size_t disks_with_a_slot(const MachineSpec& spec) {
    const std::size_t free = free_slots(spec);
    return std::min(spec.disks.size(), free - std::min(free, spec.nics.size()));
}

bool has_room_for_spare(const MachineSpec& spec) {
    constexpr std::size_t kDisks = 2;
    return std::min(spec.disks.size(), kDisks) + spec.nics.size() < free_slots(spec);
}

unsigned slots_to_look_into(const MachineSpec& spec) {
    const auto cards = std::ranges::count(spec.nics, false, &Nic::spare);
    const std::size_t needed = kOwnSlots + (has_share_device(spec) ? 1 : 0) + spec.disks.size() +
                               static_cast<std::size_t>(cards);
    const TemplateDevices known = template_devices(spec);
    return needed > kOwnSlots + known.disks + known.cards ? static_cast<unsigned>(needed) : 0;
}

Result<QemuLaunch> qemu_launch(const MachineSpec& spec, const std::filesystem::path& qemu,
                               bool saves) {
    if (spec.disks.size() + spec.nics.size() > free_slots(spec))
        return fail(ErrorKind::invalid,
                    "a VM has room for {} disks and network cards, not for {} and {}: connect the "
                    "container to fewer networks",
                    free_slots(spec), spec.disks.size(), spec.nics.size());
    QemuLaunch launch;
    auto& list = launch.command.argv;
    list = {qemu.native(),
            "-name",
            "hako-" + spec.id.substr(0, 12),
            "-nodefaults",
            "-no-user-config",
            "-nographic",
            "-no-reboot",
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
    Slots slots(list, !spec.devices.empty());
    add_machine(list, spec);
    add_control(list);
    add_agent_channel(list, slots, spec);
    slots.add_device("virtio-balloon-device", "free-page-reporting=on");
    slots.add_device("virtio-scsi-device", "id=scsi");
    // What a template's guest knows already (vmm/template_devices.h) is where it is in all
    // machines.
    const std::size_t disks = std::min(spec.disks.size(), container_bays().size());
    const std::size_t cards = std::min<std::size_t>(spec.nics.size(), 1);
    HAKO_CHECK(add_disks(launch, slots, spec, 0, disks));
    add_nics(launch, slots, spec, 0, cards);
    if (has_share_device(spec)) add_shares(list, slots);
    HAKO_CHECK(add_disks(launch, slots, spec, disks, spec.disks.size()));
    add_devices(launch, spec);
    add_nics(launch, slots, spec, cards, spec.nics.size());
    add_memory(list, spec, saves);
    return launch;
}

}  // namespace hako::vmm
