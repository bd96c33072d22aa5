#include "macos/qemu_command.h"

#include "macos/progress.h"

namespace hako::macos {
namespace {

using Arguments = std::vector<std::string>;

constexpr int kBigSur = 20;  // the first with virtio-balloon

void add(Arguments& list, std::initializer_list<std::string> words) {
    list.insert(list.end(), words);
}

// A value in QEMU's option syntax: a comma is written twice.
std::string escaped(std::string_view value) {
    std::string text;
    for (const char c : value) text += c == ',' ? std::string(",,") : std::string(1, c);
    return text;
}

// Powers of two per socket.
std::string topology(unsigned cpus) {
    unsigned cores = 1;
    while (cpus % (cores * 2) == 0) cores *= 2;
    return fmt::format("{},sockets={},cores={},threads=1", cpus, cpus / cores, cores);
}

std::string cpu(const MacMachine& machine) {
    const auto& settings = machine.settings;
    const bool intel = settings.use_kvm && machine.cpu.is_intel;
    std::string model = settings.cpu_model;
    if (model.empty()) model = intel ? "Skylake-Client-v4" : settings.version.cpu;
    std::string text = model + (settings.use_kvm ? ",kvm=on" : "");
    text += ",l3-cache=on,+hypervisor,vendor=GenuineIntel,vmx=off,vmware-cpuid-freq=on,-pdpe1gb";
    if (!intel && settings.cpu_model.empty()) {
        text +=
            ",+ssse3,+sse4.2,+popcnt,+avx,+avx2,+aes,+fma,+bmi1,+bmi2,+smep,+xsave,+xsaveopt,"
            "+xgetbv1,+movbe,+rdrand";
        // The models have them, the host may not. The second name is /proc/cpuinfo's.
        const std::pair<std::string_view, std::string> kOptional[] = {
            {"pcid", "pcid"},
            {"invpcid", "invpcid"},
            {"tsc-deadline", "tsc_deadline_timer"},
            {"xsavec", "xsavec"},
            {"xsaves", "xsaves"}};
        for (const auto& [name, flag] : kOptional)
            text +=
                fmt::format(",{}{}", settings.use_kvm && machine.cpu.has(flag) ? '+' : '-', name);
    }
    const bool scales = machine.cpu.has("tsc_scaling") || machine.cpu.has("tsc_scale");
    if (settings.use_kvm && scales) text += ",+invtsc";
    return settings.cpu_flags.empty() ? text : text + "," + settings.cpu_flags;
}

void add_board(Arguments& list, const MacMachine& machine) {
    const auto& settings = machine.settings;
    add(list, {"-machine", "q35,smm=off,graphics=off,vmport=off,hpet=off", "-accel",
               settings.use_kvm ? "kvm" : "tcg,thread=single"});
    if (settings.use_kvm) add(list, {"-global", "kvm-pit.lost_tick_policy=discard"});
    add(list, {"-cpu", cpu(machine), "-smp",
               settings.smp.empty() ? topology(settings.cpus) : settings.smp, "-m",
               fmt::format("{}M", settings.memory / kMiB), "-rtc", "base=utc", "-smbios", "type=2",
               "-global", "ICH9-LPC.disable_s3=1", "-global", "ICH9-LPC.disable_s4=1", "-global",
               "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", "-fw_cfg",
               "name=opt/org.tianocore/UninstallMemAttrProtocol,string=y"});
    add(list,
        {"-drive",
         fmt::format("if=pflash,unit=0,format=raw,readonly=on,file={}",
                     escaped(machine.firmware.native())),
         "-drive",
         fmt::format("if=pflash,unit=1,format=raw,file={}", escaped(machine.variables.native()))});
}

DiskBus bus_of(const MacSettings& settings) {
    return settings.disk_bus.value_or(settings.version.disk == "blk" ? DiskBus::blk
                                                                     : DiskBus::sata);
}

// The disks in order: OpenCore first, which alone has a place in the firmware's order, so that it
// tries nothing else.
class Disks {
public:
    Disks(Arguments& list, const MacSettings& settings)
        : list_(list), settings_(settings), bus_(bus_of(settings)) {
        if (bus_ == DiskBus::scsi) add(list_, {"-device", "virtio-scsi-pci,id=scsi"});
    }
    void attach(std::string_view node, std::string_view block) {
        attach(node, block, device(bus_, node));
    }
    // What is only read. SATA disks can be written, or QEMU refuses them.
    void attach_read_only(std::string_view node, std::string_view block,
                          std::string_view more = "") {
        const auto bus = bus_ == DiskBus::sata ? DiskBus::usb : bus_;
        attach(node, block, device(bus, node) + std::string(more));
    }

private:
    void attach(std::string_view node, std::string_view block, std::string_view device) {
        add(list_, {"-blockdev", fmt::format("node-name={},{}", node, block), "-device",
                    fmt::format("{},drive={}", device, node)});
    }
    std::string device(DiskBus bus, std::string_view node) {
        switch (bus) {
            case DiskBus::sata: return fmt::format("ide-hd,bus=ide.{},{}", next_++, rotation());
            case DiskBus::nvme: return fmt::format("nvme,serial={}", node);
            case DiskBus::usb: return fmt::format("usb-storage,bus={}.0", settings_.usb.id);
            case DiskBus::scsi: return "scsi-hd,bus=scsi.0," + rotation();
            case DiskBus::blk: break;
        }
        return fmt::format("virtio-blk-pci,serial={}", node);
    }

    std::string rotation() const {
        return fmt::format("rotation_rate={}", settings_.disk_rotation);
    }

    Arguments& list_;
    const MacSettings& settings_;
    DiskBus bus_;
    int next_ = 0;  // of q35's six SATA ports
};

void add_disks(Arguments& list, const MacMachine& machine) {
    Disks disks(list, machine.settings);
    const auto read_only = [&](std::string_view format, const std::filesystem::path& path) {
        return fmt::format("driver={},read-only=on,file.driver={},file.filename={}", format,
                           machine.boots_from_devices ? "host_device" : "file",
                           escaped(path.native()));
    };
    disks.attach_read_only("opencore", read_only("raw", machine.boot_disk), ",bootindex=0");
    if (machine.recovery) disks.attach_read_only("recovery", read_only("dmg", *machine.recovery));
    for (std::size_t i = 0; i < machine.disks.size(); ++i) {
        const auto& disk = machine.disks[i];
        const auto& settings = machine.settings;
        const bool direct = disk.direct && settings.disk_cache == "none";
        const auto io = settings.disk_io == "native" && !direct ? "threads" : settings.disk_io;
        disks.attach(
            i == 0 ? "data" : fmt::format("data{}", i + 1),
            fmt::format("driver={0},discard={1},file.driver={2},file.discard={1},"
                        "cache.direct={3},file.cache.direct={3},file.aio={4},file.filename={5}",
                        disk.format == DiskFormat::raw ? "raw" : "qcow2", settings.disk_discard,
                        disk.is_device ? "host_device" : "file", direct ? "on" : "off", io,
                        escaped(disk.path.native())));
    }
}

void add_network(Arguments& list, const MacMachine& machine) {
    const auto& settings = machine.settings;
    if (settings.network == Network::none) return;
    std::string backend = "user,id=net";
    for (const auto& port : settings.ports)
        backend += fmt::format(",hostfwd={}:{}:{}-:{}", port.protocol, port.address, port.host,
                               port.guest);
    if (machine.lan_fd) backend = fmt::format("tap,id=net,fd={}", *machine.lan_fd);
    const auto mtu = settings.mtu ? fmt::format(",host_mtu={}", *settings.mtu) : std::string();
    add(list, {"-netdev", backend, "-device",
               fmt::format("{},netdev=net,mac={}{}",
                           settings.adapter.empty() ? settings.version.nic : settings.adapter,
                           machine.identity.mac, mtu)});
}

void add_peripherals(Arguments& list, const MacMachine& machine) {
    const auto& usb = machine.settings.usb;
    if (usb.on)
        add(list, {"-device", fmt::format("{},id={}{}", usb.controller, usb.id, usb.options),
                   "-device", fmt::format("usb-kbd,bus={}.0", usb.id), "-device",
                   fmt::format("usb-tablet,bus={}.0", usb.id)});
    add(list,
        {"-device", machine.settings.vga.empty() ? "vmware-svga" : machine.settings.vga, "-object",
         "rng-random,id=rng,"
         "filename=/dev/urandom",
         "-device", "virtio-rng-pci,rng=rng"});
    if (machine.settings.balloon && machine.settings.version.darwin >= kBigSur)
        add(list, {"-device", "virtio-balloon-pci"});
    if (!machine.settings.osk.empty())
        add(list, {"-device", "isa-applesmc,osk=" + escaped(machine.settings.osk)});
    // A viewer takes the sound with the screen.
    if (machine.settings.audio)
        add(list, {"-audiodev", "none,id=sound", "-device",
                   fmt::format("usb-audio,bus={}.0,audiodev=sound", usb.id)});
    for (const auto& device : machine.usb)
        add(list, {"-device", fmt::format("usb-host,bus={}.0,hostdevice={}", usb.id,
                                          escaped(device.native()))});
    if (machine.share)
        add(list, {"-fsdev",
                   fmt::format("local,id=shared,security_model=none,path={}",
                               escaped(machine.share->native())),
                   "-device", "virtio-9p-pci,fsdev=shared,mount_tag=shared"});
}

std::string sound_of(const MacMachine& machine) {
    return machine.settings.audio ? ",audiodev=sound" : "";
}

void add_sockets(Arguments& list, const MacMachine& machine) {
    add(list, {"-display",
               machine.settings.display != Display::none
                   ? fmt::format("vnc=unix:{}{}", escaped((machine.folder / kVncSocket).native()),
                                 sound_of(machine))
                   : "none"});
    add(list, {"-qmp", fmt::format("unix:{},server=on,wait=off",
                                   escaped((machine.folder / kQmpSocket).native()))});
}

void add_descriptors(Arguments& list, const MacMachine& machine, int qmp_fd) {
    add(list, {"-display", "vnc=none" + sound_of(machine), "-chardev",
               fmt::format("socket,id=qmp,fd={}", qmp_fd), "-mon", "chardev=qmp,mode=control"});
}

Command make_command(const MacMachine& machine, std::optional<int> qmp_fd) {
    Command command;
    auto& list = command.argv;
    list = {machine.qemu.native(),
            "-name",
            fmt::format("macos-{}", machine.settings.version.number),
            "-nodefaults",
            "-no-user-config",
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
    add_board(list, machine);
    add_peripherals(list, machine);
    if (qmp_fd) add_descriptors(list, machine, *qmp_fd);
    else add_sockets(list, machine);
    add_disks(list, machine);
    add_network(list, machine);
    if (machine.memory_fd) add(list, {"-incoming", fmt::format("fd:{}", *machine.memory_fd)});
    list.insert(list.end(), machine.settings.arguments.begin(), machine.settings.arguments.end());
    return command;
}

}  // namespace

Command qemu_command(const MacMachine& machine) { return make_command(machine, {}); }

Command qemu_command(const MacMachine& machine, int qmp_fd) {
    return make_command(machine, qmp_fd);
}

}  // namespace hako::macos
