#include "vmm/qemu/arguments.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "vmm/template_devices.h"

namespace hako::vmm {
namespace {

MachineSpec small_machine() {
    return {.id = "0123456789abcdef0123456789abcdef",
            .kernel = "/share/vmlinux",
            .initramfs = "/share/initramfs.cpio",
            .memory_bytes = 256 * kMiB,
            .cpus = 2,
            .tsc_khz = 2'500'000};
}

// One argument with its value a line.
std::string argument_lines(const QemuLaunch& launch) {
    std::string text;
    for (const auto& word : launch.command.argv) {
        if (!text.empty()) text += word.starts_with('-') ? '\n' : ' ';
        text += word;
    }
    return text;
}

std::string lines_of(const MachineSpec& spec) {
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    return launch ? argument_lines(*launch) : launch.error().message();
}

TEST(ArgumentsTest, EmulatedMachineWithOneDiskAndSerialChannel) {
    auto spec = small_machine();
    spec.kernel_arguments = {"loglevel=7"};
    spec.disks = {{.serial = "scratch", .extents = {"/data/scratch"}}};
    EXPECT_EQ(lines_of(spec), R"(/usr/bin/qemu-system-x86_64
-name hako-0123456789ab
-nodefaults
-no-user-config
-nographic
-no-reboot
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine microvm,acpi=off,auto-kernel-cmdline=off,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,usb=off,pcie=off,graphics=off
-global virtio-mmio.force-legacy=false
-accel tcg,thread=single,tb-size=64
-cpu max,-erms,-fsrm
-m 256M
-smp 2
-kernel /share/vmlinux
-initrd /share/initramfs.cpio
-append console=ttyS0 quiet panic=-1 reboot=t no_timer_check tsc=reliable acpi=off noreplace-smp hako.agent=serial scsi_mod.scan=manual psi=0 tsc_early_khz=2500000 loglevel=7 virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00200:6 virtio_mmio.device=512@0xfeb00400:7 virtio_mmio.device=512@0xfeb00800:9 virtio_mmio.device=512@0xfeb00a00:10 virtio_mmio.device=512@0xfeb00c00:11 virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00600:8
-chardev socket,id=qmp,fd=3
-mon chardev=qmp,mode=control
-chardev socket,id=console,fd=4
-serial chardev:console
-chardev socket,id=agent,fd=5
-device virtio-serial-device,bus=virtio-mmio-bus.0,max_ports=2
-device virtserialport,chardev=agent,name=hako.agent
-device virtio-balloon-device,bus=virtio-mmio-bus.1,free-page-reporting=on
-device virtio-scsi-device,bus=virtio-mmio-bus.2,id=scsi
-add-fd fd=8,set=8
-blockdev discard=unmap,driver=raw,file.discard=unmap,file.driver=file,file.filename=/dev/fdset/8,node-name=disk0,read-only=off
-device virtio-blk-device,bus=virtio-mmio-bus.4,id=disk0,drive=disk0,serial=scratch,werror=report,rerror=report)");
}

TEST(ArgumentsTest, NetworkCardsFollowTheDisksOnSlotsAndDescriptors) {
    auto spec = small_machine();
    spec.disks = {{.serial = "scratch", .extents = {"/data/scratch"}}};
    spec.nics = {{"hkt0", "02:42:ac:11:00:02"}, {"hkt1", "02:42:ac:12:00:02"}};
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_TRUE(launch) << launch.error().message();
    const auto text = argument_lines(*launch);
    EXPECT_EQ(text.substr(text.find("-netdev")), R"(-netdev tap,id=nic0,fd=9
-device virtio-net-device,bus=virtio-mmio-bus.5,netdev=nic0,mac=02:42:ac:11:00:02,guest_announce=off,ctrl_rx=off,ctrl_vlan=off
-netdev tap,id=nic1,fd=10
-device virtio-net-device,bus=virtio-mmio-bus.6,netdev=nic1,mac=02:42:ac:12:00:02,guest_announce=off,ctrl_rx=off,ctrl_vlan=off)");
    ASSERT_EQ(launch->taps.size(), 2U);
    EXPECT_EQ(launch->taps[1].fd, 10);
    EXPECT_EQ(launch->taps[1].nic.tap, "hkt1");

    spec.nics.resize(4, spec.nics.front());
    EXPECT_NE(lines_of(spec).find("virtio-net-device,bus=virtio-mmio-bus.3,netdev=nic3"),
              std::string::npos)
        << "the slot beside the clock comes last";
    spec.nics.resize(5, spec.nics.front());
    const auto refused = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("fewer networks"), std::string::npos);
}

TEST(ArgumentsTest, SharesTakeOneSlotAndMemoryThatTwoCanMap) {
    auto spec = small_machine();
    spec.disks = {{.serial = "scratch", .extents = {"/data/scratch"}}};
    spec.nics = {{"hkt0", "02:42:ac:11:00:02"}};
    const auto without = slots_to_look_into(spec);
    spec.shares = {{.name = "m0", .source = "/srv"}, {.name = "m1", .source = "/home"}};
    const auto text = lines_of(spec);
    EXPECT_NE(text.find(R"(,guest_announce=off,ctrl_rx=off,ctrl_vlan=off
-chardev socket,id=shares,fd=7
-device vhost-user-fs-device,bus=virtio-mmio-bus.6,chardev=shares,tag=hako
)"),
              std::string::npos)
        << text;
    EXPECT_EQ(
        text.substr(text.find("-object")),
        R"(-object memory-backend-memfd,share=on,id=microvm.ram,size=256M,x-use-canonical-path-for-ramblock-id=off
-machine memory-backend=microvm.ram)");
    EXPECT_EQ(slots_to_look_into(spec), without + 1);

    auto empty = spec;
    empty.shares.clear();
    empty.takes_shares = true;
    EXPECT_EQ(lines_of(empty), text) << "they may come later";
    spec.state = "/templates/x";
    EXPECT_NE(lines_of(spec).find(
                  "-object memory-backend-file,mem-path=/hako-memory-copy/6,share=on,align=2M,id="),
              std::string::npos);
    spec.state.clear();

    spec.nics.resize(4, spec.nics.front());
    EXPECT_EQ(lines_of(spec),
              "a VM has room for 4 disks and network cards, not for 1 and 4: connect the "
              "container to fewer networks");
}

TEST(ArgumentsTest, BaysAreDisksOfZeros) {
    auto spec = small_machine();
    spec.disks = container_bays();
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_TRUE(launch) << launch.error().message();
    EXPECT_TRUE(launch->files.empty());
    const auto text = argument_lines(*launch);
    EXPECT_EQ(
        text.substr(text.find("-blockdev")),
        R"(-blockdev driver=null-co,node-name=disk0,read-only=on,read-zeroes=on,size=68719476736
-device virtio-blk-device,bus=virtio-mmio-bus.4,id=disk0,drive=disk0,serial=imagebay,werror=report,rerror=report
-blockdev driver=null-co,node-name=disk1,read-only=off,read-zeroes=on,size=68719476736
-device virtio-blk-device,bus=virtio-mmio-bus.5,id=disk1,drive=disk1,serial=scratchbay,werror=report,rerror=report)");
}

TEST(ArgumentsTest, ALoadedGuestLooksForWhatItsTemplateHasNot) {
    auto spec = small_machine();
    EXPECT_EQ(slots_to_look_into(spec), 0U);
    spec.disks = container_bays();
    spec.nics = {{"hkt0", std::string(kFirstCardMac)}};
    EXPECT_EQ(slots_to_look_into(spec), 0U);
    auto more = spec;
    more.nics.push_back({"hkt1", "02:42:ac:12:00:02", true});
    EXPECT_EQ(slots_to_look_into(more), 0U) << "a spare card has time";
    more.nics.back().spare = false;
    EXPECT_EQ(slots_to_look_into(more), 7U);
    more = spec;
    more.takes_shares = true;
    EXPECT_EQ(slots_to_look_into(more), 7U);
    more = spec;
    more.disks.push_back({.serial = "volume", .extents = {"/x"}});
    EXPECT_EQ(slots_to_look_into(more), 7U);
    spec.nics.front().mac = "02:42:ac:11:00:02";
    EXPECT_EQ(slots_to_look_into(spec), 6U) << "not the card that templates know";
}

TEST(ArgumentsTest, KvmMachineWithJoinedDiskAndVsockChannel) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto metadata = folder->path() / "metadata";
    const auto data = folder->path() / "data";
    ASSERT_TRUE(write_file(metadata, std::string(4096, 'm')));
    ASSERT_TRUE(write_file(data, std::string(8192, 'd')));

    auto spec = small_machine();
    spec.accelerator = Accelerator::kvm;
    spec.channel = AgentChannel::vsock;
    spec.vsock_cid = 77;
    spec.disks = {{.serial = "rootfs", .extents = {metadata, data}, .read_only = true}};
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_TRUE(launch) << launch.error().message();
    const auto text = argument_lines(*launch);
    EXPECT_EQ(text.substr(text.find("-accel")), R"(-accel kvm
-cpu host
-m 256M
-smp 2
-kernel /share/vmlinux
-initrd /share/initramfs.cpio
-append console=ttyS0 quiet panic=-1 reboot=t no_timer_check tsc=reliable acpi=off noreplace-smp hako.agent=vsock scsi_mod.scan=manual psi=0 virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00200:6 virtio_mmio.device=512@0xfeb00400:7 virtio_mmio.device=512@0xfeb00800:9 virtio_mmio.device=512@0xfeb00a00:10 virtio_mmio.device=512@0xfeb00c00:11 virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00600:8
-chardev socket,id=qmp,fd=3
-mon chardev=qmp,mode=control
-chardev socket,id=console,fd=4
-serial chardev:console
-device vhost-vsock-device,bus=virtio-mmio-bus.0,guest-cid=77
-device virtio-balloon-device,bus=virtio-mmio-bus.1,free-page-reporting=on
-device virtio-scsi-device,bus=virtio-mmio-bus.2,id=scsi
-add-fd fd=8,set=8
-add-fd fd=9,set=9
-add-fd fd=10,set=10
-blockdev driver=vmdk,file.driver=file,file.filename=/dev/fdset/10,node-name=disk0,read-only=on
-device virtio-blk-device,bus=virtio-mmio-bus.4,id=disk0,drive=disk0,serial=rootfs,werror=report,rerror=report)");

    ASSERT_EQ(launch->files.size(), 3U);
    EXPECT_EQ(launch->files[0].path, metadata);
    EXPECT_EQ(launch->files[1].path, data);
    EXPECT_TRUE(launch->files[2].path.empty());
    EXPECT_EQ(launch->files[2].text, R"(# Disk DescriptorFile
version=1
CID=00000001
parentCID=ffffffff
createType="monolithicFlat"
RW 8 FLAT "/dev/fdset/8" 0
RW 16 FLAT "/dev/fdset/9" 0
)");
}

// Buses come with ACPI, which announces the slots, and a firmware that hands it over.
TEST(ArgumentsTest, DevicesOfTheHostComeOnBusesOfTheirOwn) {
    auto spec = small_machine();
    spec.disks = {{.serial = "scratch", .extents = {"/data/scratch"}}};
    spec.nics = {{"hkt0", "02:42:ac:11:00:02"}};
    spec.devices = {{HostDevice::Bus::usb, "/dev/bus/usb/001/004"}};
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_TRUE(launch) << launch.error().message();
    auto text = argument_lines(*launch);
    EXPECT_NE(text.find("-machine microvm,acpi=on,"), std::string::npos);
    EXPECT_NE(text.find(",usb=on,pcie=off,"), std::string::npos);
    EXPECT_NE(text.find("\n-bios qboot.rom\n"), std::string::npos);
    EXPECT_EQ(text.find("virtio_mmio.device"), std::string::npos);
    EXPECT_EQ(text.find("acpi=off"), std::string::npos);
    EXPECT_EQ(text.find("no_timer_check"), std::string::npos);
    EXPECT_EQ(text.substr(text.find("-netdev")), R"(-netdev tap,id=nic0,fd=9
-device virtio-net-device,bus=virtio-mmio-bus.5,netdev=nic0,mac=02:42:ac:11:00:02,guest_announce=off,ctrl_rx=off,ctrl_vlan=off
-add-fd fd=10,set=10
-device usb-host,hostdevice=/dev/fdset/10)");
    ASSERT_EQ(launch->files.size(), 2U);
    EXPECT_EQ(launch->files[1].path, "/dev/bus/usb/001/004");
    EXPECT_FALSE(launch->files[1].read_only);

    spec.devices = {{HostDevice::Bus::pci, "/dev/vfio/12", "0000:01:00.0"},
                    {HostDevice::Bus::pci, "/dev/vfio/12", "0000:01:00.1"}};
    text = lines_of(spec);
    EXPECT_NE(text.find(",usb=off,pcie=on,"), std::string::npos);
    EXPECT_NE(text.find("-device vfio-pci,host=0000:01:00.0\n-device vfio-pci,host=0000:01:00.1"),
              std::string::npos);
}

// The kernel would only take time to read: the state holds the memory of the one that was booted.
TEST(ArgumentsTest, LoadedMachineNamesNoKernel) {
    auto spec = small_machine();
    spec.state = "/templates/x";
    const auto text = lines_of(spec);
    EXPECT_NE(text.find("-smp 2\n-incoming defer\n-chardev"), std::string::npos) << text;
    for (const auto* word : {"\n-kernel", "\n-initrd", "\n-append"})
        EXPECT_EQ(text.find(word), std::string::npos) << text;
}

TEST(ArgumentsTest, LoadedMemoryIsTheTemplates) {
    auto spec = small_machine();
    spec.state = "/templates/x";
    auto text = lines_of(spec);
    EXPECT_EQ(
        text.substr(text.find("-object")),
        R"(-object memory-backend-file,mem-path=/hako-memory/6,share=off,align=2M,id=microvm.ram,size=256M,x-use-canonical-path-for-ramblock-id=off
-machine memory-backend=microvm.ram)");
}

TEST(ArgumentsTest, MemoryThatIsSavedIsAFile) {
    const auto launch = qemu_launch(small_machine(), "/usr/bin/qemu-system-x86_64", true);
    ASSERT_TRUE(launch) << launch.error().message();
    EXPECT_NE(argument_lines(*launch).find("-object memory-backend-memfd,share=on,"),
              std::string::npos);
}

TEST(ArgumentsTest, RefusesMoreDisksThanSlots) {
    auto spec = small_machine();
    for (const auto* serial : {"a", "b", "c", "d", "e", "f"})
        spec.disks.push_back({.serial = serial, .extents = {"/x"}});
    EXPECT_EQ(lines_of(spec),
              "a VM has room for 5 disks and network cards, not for 6 and 0: connect the "
              "container to fewer networks");
}

TEST(ArgumentsTest, NetworkCardsAndSharesComeBeforeDisks) {
    auto spec = small_machine();
    spec.disks = {{.serial = "a", .extents = {"/x"}}, {.serial = "b", .extents = {"/x"}}};
    EXPECT_EQ(disks_with_a_slot(spec), 2U);
    spec.nics.resize(3);
    EXPECT_EQ(disks_with_a_slot(spec), 2U);
    spec.shares = {{.name = "a", .source = "/srv"}};
    EXPECT_EQ(disks_with_a_slot(spec), 1U);
    spec.nics.resize(9);
    EXPECT_EQ(disks_with_a_slot(spec), 0U);
}

TEST(ArgumentsTest, ASpareCardTakesNoSlotOfRootAndScratch) {
    auto spec = small_machine();
    spec.disks = {{.serial = "a", .extents = {"/x"}}, {.serial = "b", .extents = {"/x"}}};
    spec.nics = {{"hkt0", "02:42:ac:11:00:02"}};
    ASSERT_TRUE(has_room_for_spare(spec));
    EXPECT_EQ(slots_to_look_into(spec), 6U);
    spec.nics.push_back({"hkt1", "02:42:ac:11:00:03", true});
    EXPECT_EQ(disks_with_a_slot(spec), 2U);
    EXPECT_NE(lines_of(spec).find("bus=virtio-mmio-bus.7,netdev=nic1,"), std::string::npos);
    EXPECT_EQ(slots_to_look_into(spec), 6U) << "the guest does not look at it";
    spec.nics.push_back({"hkt2", "02:42:ac:11:00:04", true});
    EXPECT_FALSE(has_room_for_spare(spec));
    spec.nics.resize(1);
    // The second volume's disk goes to the SCSI controller.
    for (const auto* serial : {"c", "d"})
        spec.disks.push_back({.serial = serial, .extents = {"/x"}});
    ASSERT_TRUE(has_room_for_spare(spec));
    spec.nics.push_back({"hkt1", "02:42:ac:11:00:03", true});
    EXPECT_EQ(disks_with_a_slot(spec), 3U);
    spec.nics.pop_back();
    spec.shares = {{.name = "a", .source = "/srv"}};
    EXPECT_TRUE(has_room_for_spare(spec));
    spec.nics.push_back({"hkt1", "02:42:ac:11:00:03"});
    EXPECT_FALSE(has_room_for_spare(spec));
}

TEST(ArgumentsTest, RefusesExtentsThatCannotBeJoined) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto odd = folder->path() / "odd";
    ASSERT_TRUE(write_file(odd, std::string(100, 'x')));
    auto spec = small_machine();
    spec.disks = {{.serial = "d", .extents = {odd, odd}, .read_only = true}};
    const auto launch = qemu_launch(spec, "/usr/bin/qemu-system-x86_64");
    ASSERT_FALSE(launch);
    EXPECT_EQ(launch.error().kind(), ErrorKind::invalid);
    spec.disks[0].extents = {folder->path() / "missing", odd};
    EXPECT_EQ(qemu_launch(spec, "/usr/bin/qemu-system-x86_64").error().kind(),
              ErrorKind::not_found);
}

}  // namespace
}  // namespace hako::vmm
