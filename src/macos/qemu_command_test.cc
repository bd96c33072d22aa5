#include "macos/qemu_command.h"

#include <gmock/gmock.h>

namespace hako::macos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kIntel =
    "vendor_id\t: GenuineIntel\nmodel name\t: x\nflags\t\t: fpu avx2 pcid invpcid "
    "tsc_deadline_timer xsavec nonstop_tsc\nvmx flags\t: ept tsc_scaling\n";
constexpr std::string_view kAmd =
    "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 pcid xsavec xsaves tsc_scale\n";

MacMachine machine(const Variables& variables, std::string_view cpuinfo) {
    auto parsed = parse_settings(variables, {.cpus = 8, .memory = 32 * kGiB});
    EXPECT_TRUE(parsed) << parsed.error().message();
    return {.qemu = "qemu",
            .settings = parsed->settings,
            .identity = {.product = "iMacPro1,1", .mac = "00:16:CB:01:02:03"},
            .cpu = parse_cpuinfo(cpuinfo),
            .firmware = "/ovmf/code",
            .variables = "/m/vars.fd",
            .boot_disk = "/m/boot.img",
            .recovery = "/c/a,b.dmg",
            .disks = {{"/m/data.img", DiskFormat::raw, true}},
            .folder = "/m"};
}

std::string line(const Variables& variables, std::string_view cpuinfo = kIntel) {
    return to_shell(qemu_command(machine(variables, cpuinfo)));
}

// What stands behind -cpu.
std::string cpu(const Variables& variables, std::string_view cpuinfo) {
    const auto argv = qemu_command(machine(variables, cpuinfo)).argv;
    return *(std::ranges::find(argv, "-cpu") + 1);
}

TEST(QemuCommand, WholeOnIntel) {
    EXPECT_EQ(
        line({{"USER_PORTS", "2222:22"}, {"BALLOONING", "Y"}, {"CPU_CORES", "6"}}),
        "qemu -name macos-14 -nodefaults -no-user-config "
        "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny "
        "-machine q35,smm=off,graphics=off,vmport=off,hpet=off -accel kvm "
        "-global kvm-pit.lost_tick_policy=discard "
        "-cpu Skylake-Client-v4,kvm=on,l3-cache=on,+hypervisor,vendor=GenuineIntel,vmx=off,"
        "vmware-cpuid-freq=on,-pdpe1gb,+invtsc "
        "-smp 6,sockets=3,cores=2,threads=1 -m 4096M -rtc base=utc -smbios type=2 "
        "-global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1 "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-fw_cfg name=opt/org.tianocore/UninstallMemAttrProtocol,string=y "
        "-drive if=pflash,unit=0,format=raw,readonly=on,file=/ovmf/code "
        "-drive if=pflash,unit=1,format=raw,file=/m/vars.fd "
        "-device nec-usb-xhci,id=usb,msi=off -device usb-kbd,bus=usb.0 "
        "-device usb-tablet,bus=usb.0 -device vmware-svga "
        "-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng "
        "-device virtio-balloon-pci "
        "-display vnc=unix:/m/vnc.sock -qmp unix:/m/qmp.sock,server=on,wait=off "
        "-blockdev node-name=opencore,driver=raw,read-only=on,file.driver=file,"
        "file.filename=/m/boot.img -device "
        "virtio-blk-pci,serial=opencore,bootindex=0,drive=opencore "
        "-blockdev node-name=recovery,driver=dmg,read-only=on,file.driver=file,"
        "file.filename=/c/a,,b.dmg -device virtio-blk-pci,serial=recovery,drive=recovery "
        "-blockdev node-name=data,driver=raw,discard=unmap,file.driver=file,file.discard=unmap,"
        "cache.direct=on,file.cache.direct=on,file.aio=native,file.filename=/m/data.img "
        "-device virtio-blk-pci,serial=data,drive=data "
        "-netdev user,id=net,hostfwd=tcp:127.0.0.1:2222-:22 "
        "-device virtio-net-pci,netdev=net,mac=00:16:CB:01:02:03");
}

TEST(QemuCommand, ProcessorsAndMtuAreAsTheyAreWritten) {
    const auto text = line({{"SMP", "3,sockets=3"}, {"MTU", "1400"}});
    EXPECT_THAT(text, HasSubstr(" -smp 3,sockets=3 -m "));
    EXPECT_THAT(text, HasSubstr("mac=00:16:CB:01:02:03,host_mtu=1400"));
}

constexpr std::string_view kFeatures =
    ",l3-cache=on,+hypervisor,vendor=GenuineIntel,vmx=off,vmware-cpuid-freq=on,-pdpe1gb,+ssse3,"
    "+sse4.2,+popcnt,+avx,+avx2,+aes,+fma,+bmi1,+bmi2,+smep,+xsave,+xsaveopt,+xgetbv1,+movbe,"
    "+rdrand";

TEST(QemuCommand, OtherProcessorsGetTheFeaturesThatTheyHave) {
    for (const auto* version : {"11", "12", "13"})
        EXPECT_EQ(cpu({{"VERSION", version}}, kAmd),
                  fmt::format("Haswell-noTSX,kvm=on{},+pcid,-invpcid,-tsc-deadline,+xsavec,+xsaves,"
                              "+invtsc",
                              kFeatures));
    for (const auto* version : {"14", "15", "26"}) {
        EXPECT_THAT(cpu({{"VERSION", version}}, kAmd), HasSubstr("Skylake-Client-v4,kvm=on,"));
        EXPECT_EQ(cpu({{"VERSION", version}, {"KVM", "N"}}, kIntel),
                  fmt::format("Skylake-Client-v4{},-pcid,-invpcid,-tsc-deadline,-xsavec,-xsaves",
                              kFeatures));
    }
    EXPECT_EQ(cpu({{"CPU_MODEL", "host"}, {"CPU_FLAGS", "+x,-y"}}, kAmd),
              "host,kvm=on,l3-cache=on,+hypervisor,vendor=GenuineIntel,vmx=off,"
              "vmware-cpuid-freq=on,-pdpe1gb,+invtsc,+x,-y");
}

TEST(QemuCommand, EveryReleaseGetsItsDevices) {
    struct {
        const char* version;
        const char* nic;
        bool virtio;
    } const kReleases[] = {{"10.13", "vmxnet3", false},    {"10.14", "vmxnet3", false},
                           {"10.15", "vmxnet3", true},     {"11", "virtio-net-pci", true},
                           {"12", "virtio-net-pci", true}, {"26", "virtio-net-pci", true}};
    for (const auto& [version, nic, virtio] : kReleases) {
        const auto text = line({{"VERSION", version}, {"BALLOONING", "Y"}});
        EXPECT_THAT(text, HasSubstr(fmt::format("-device {},netdev=net", nic)));
        EXPECT_THAT(text, HasSubstr(virtio ? "virtio-blk-pci,serial=data"
                                           : "ide-hd,bus=ide.0,rotation_rate=1,drive=data"));
        EXPECT_EQ(text.find("virtio-balloon") != std::string::npos,
                  find_version(version)->darwin >= 20)
            << version;
    }
}

TEST(QemuCommand, TheUsbIsTheControllerThatIsNamed) {
    const auto text =
        line({{"USB", "qemu-xhci,id=xhci,p2=7"}, {"DISK_TYPE", "usb"}, {"AUDIO", "Y"}});
    EXPECT_THAT(text, HasSubstr("-device qemu-xhci,id=xhci,p2=7 -device usb-kbd,bus=xhci.0 "));
    EXPECT_THAT(text, HasSubstr("usb-storage,bus=xhci.0"));
    EXPECT_THAT(text, HasSubstr("usb-audio,bus=xhci.0"));
    EXPECT_THAT(line({{"USB", "no"}}), Not(HasSubstr("usb")));
}

TEST(QemuCommand, DisksThatTurnSaySo) {
    EXPECT_THAT(line({{"DISK_TYPE", "scsi"}, {"DISK_ROTATION", "7200"}}),
                HasSubstr("scsi-hd,bus=scsi.0,rotation_rate=7200,drive=data"));
}

TEST(QemuCommand, OnlyOpenCoreHasAPlaceInTheBootOrder) {
    const auto text = line({});
    EXPECT_EQ(text.find("bootindex"), text.rfind("bootindex"));
    EXPECT_THAT(text, HasSubstr("bootindex=0,drive=opencore"));
}

TEST(QemuCommand, SixDisksHaveTheSataPortsAndWhatIsReadIsBesideThem) {
    auto wanted = machine({{"DISK_TYPE", "sata"}}, kIntel);
    wanted.disks.resize(6, {"/m/x", DiskFormat::raw});
    const auto text = to_shell(qemu_command(wanted));
    EXPECT_THAT(text, HasSubstr("-device usb-storage,bus=usb.0,bootindex=0,drive=opencore"));
    EXPECT_THAT(text, HasSubstr("-device usb-storage,bus=usb.0,drive=recovery"));
    EXPECT_THAT(text, HasSubstr("-device ide-hd,bus=ide.5,rotation_rate=1,drive=data6"));
}

TEST(QemuCommand, WhatItBootsFromMayBePartitions) {
    auto wanted = machine({}, kIntel);
    wanted.boots_from_devices = true;
    wanted.boot_disk = "/dev/sda4";
    const auto text = to_shell(qemu_command(wanted));
    EXPECT_THAT(text, HasSubstr("node-name=opencore,driver=raw,read-only=on,"
                                "file.driver=host_device,file.filename=/dev/sda4"));
    EXPECT_THAT(text, HasSubstr("driver=dmg,read-only=on,file.driver=host_device,"));
}

TEST(QemuCommand, WhatIsNotWantedIsNotThere) {
    auto wanted = machine({{"NETWORK", "N"}, {"DISPLAY", "none"}}, kIntel);
    wanted.recovery.reset();
    wanted.share = "/a,b";
    wanted.disks = {{"/m/data.qcow2", DiskFormat::qcow2, false}};
    const auto text = to_shell(qemu_command(wanted));
    EXPECT_THAT(text, Not(HasSubstr("netdev")));
    EXPECT_THAT(text, Not(HasSubstr("vnc")));
    EXPECT_THAT(text, Not(HasSubstr("dmg")));
    EXPECT_THAT(text, HasSubstr("-fsdev local,id=shared,security_model=none,path=/a,,b -device "
                                "virtio-9p-pci,fsdev=shared,mount_tag=shared"));
    EXPECT_THAT(text, HasSubstr("driver=qcow2,discard=unmap,file.driver=file,file.discard=unmap,"
                                "cache.direct=off,file.cache.direct=off,file.aio=threads"));
}

TEST(QemuCommand, TheHostsDevicesAreTheGuests) {
    auto wanted =
        machine({{"AUDIO", "Y"}, {"VGA", "virtio-vga"}, {"DISK_DISCARD", "ignore"}}, kIntel);
    wanted.usb = {"/dev/bus/usb/001/004"};
    wanted.settings.osk = "k,ey";
    wanted.disks = {{"/dev/sdb", DiskFormat::raw, true, true}};
    const auto text = to_shell(qemu_command(wanted));
    EXPECT_THAT(text, HasSubstr("-device virtio-vga "));
    EXPECT_THAT(text,
                HasSubstr("-device isa-applesmc,osk=k,,ey "
                          "-audiodev none,id=sound -device usb-audio,bus=usb.0,audiodev=sound "
                          "-device usb-host,bus=usb.0,hostdevice=/dev/bus/usb/001/004 "));
    EXPECT_THAT(text, HasSubstr("-display vnc=unix:/m/vnc.sock,audiodev=sound "));
    EXPECT_THAT(text, HasSubstr("driver=raw,discard=ignore,file.driver=host_device,"
                                "file.discard=ignore,cache.direct=on,file.cache.direct=on,"
                                "file.aio=native,file.filename=/dev/sdb "));
    EXPECT_THAT(to_shell(qemu_command(wanted, 3)), HasSubstr("-display vnc=none,audiodev=sound "));
}

TEST(QemuCommand, ALinkOfTheLanIsADescriptor) {
    auto wanted = machine({{"DHCP", "Y"}, {"USER_PORTS", "2222:22"}}, kIntel);
    wanted.lan_fd = 9;
    EXPECT_THAT(to_shell(qemu_command(wanted)),
                HasSubstr("-netdev tap,id=net,fd=9 "
                          "-device virtio-net-pci,netdev=net,mac=00:16:CB:01:02:03"));
}

TEST(QemuCommand, DisksAreReadAsIsAsked) {
    EXPECT_THAT(line({{"DISK_CACHE", "writeback"}}),
                HasSubstr("cache.direct=off,file.cache.direct=off,file.aio=threads"));
    EXPECT_THAT(line({{"DISK_IO", "io_uring"}}),
                HasSubstr("cache.direct=on,file.cache.direct=on,file.aio=io_uring"));
}

TEST(HostCpu, WhatWillGoWrongIsSaidBefore) {
    EXPECT_TRUE(check_cpu(parse_cpuinfo(kIntel), find_version("13").value()));
    EXPECT_TRUE(check_cpu({}, find_version("12").value()));
    EXPECT_THAT(check_cpu({}, find_version("13").value()).error().message(), HasSubstr("AVX2"));

    const auto sys = TempDir::create().value();
    EXPECT_TRUE(host_warnings(parse_cpuinfo(kIntel), sys.path()).empty());
    const auto put = [&](const std::filesystem::path& path, std::string_view text) {
        std::filesystem::create_directories((sys.path() / path).parent_path());
        ASSERT_TRUE(write_file(sys.path() / path, text));
    };
    put("devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put("module/kvm/parameters/ignore_msrs", "N\n");
    EXPECT_THAT(host_warnings(parse_cpuinfo(kAmd), sys.path()),
                ::testing::ElementsAre(HasSubstr("hpet"), HasSubstr("ignore_msrs"),
                                       HasSubstr("deep sleep")));
}

}  // namespace
}  // namespace hako::macos
