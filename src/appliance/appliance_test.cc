// What an appliance reads: variables, disks in sysfs, and at its making what ldd and depmod print.
// The whole of it is booted by tests/macos_appliance_test.py.
#include <gmock/gmock.h>

#include "appliance/boot/devices.h"
#include "appliance/build/kernel.h"
#include "appliance/build/programs.h"
#include "appliance/settings.h"
#include "base/fd.h"
#include "base/paths.h"
#include "base/units.h"

namespace hako::appliance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
namespace fs = std::filesystem;

constexpr macos::HostSize kMachine{.cpus = 8, .memory = 32 * kGiB};

std::string refusal(const macos::Variables& variables) {
    const auto read = read_variables(variables, kMachine);
    return read ? "" : read.error().message();
}

TEST(ApplianceSettings, LinuxKeepsAProcessorAndSomeMemory) {
    const auto large = share_for_macos(kMachine).value();
    EXPECT_EQ(large.cpus, 7U);
    EXPECT_EQ(large.memory, 32 * kGiB - 32 * kGiB / 10);
    const auto small = share_for_macos({.cpus = 1, .memory = 5 * kGiB}).value();
    EXPECT_EQ(small.cpus, 1U);
    EXPECT_EQ(small.memory, 5 * kGiB - 768 * kMiB);
    const auto refused = share_for_macos({.cpus = 4, .memory = 4 * kGiB});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(),
                HasSubstr("this machine has 4096 MiB of memory, but macOS needs 4096 MiB"));
}

TEST(ApplianceSettings, MacosGetsAllOfItsShareAndThePortsOfTheMachine) {
    const auto settings = read_variables({}, share_for_macos(kMachine).value()).value().settings;
    EXPECT_EQ(settings.cpus, 6U);  // a count that macOS starts with
    EXPECT_EQ(settings.memory, (32 * kGiB - 32 * kGiB / 10) / kMiB * kMiB);
    ASSERT_EQ(settings.ports.size(), 2U);
    EXPECT_EQ(settings.ports[0].host, 22);
    EXPECT_EQ(settings.ports[1].guest, 5900);
    EXPECT_EQ(settings.ports[1].address, "0.0.0.0");
    const auto chosen =
        read_variables({{"RAM_SIZE", "6G"}, {"CPU_CORES", "4"}, {"USER_PORTS", "2222:22"}},
                       kMachine)
            .value()
            .settings;
    EXPECT_EQ(chosen.cpus, 4U);
    EXPECT_EQ(chosen.memory, 6 * kGiB);
    ASSERT_EQ(chosen.ports.size(), 1U);
    EXPECT_EQ(chosen.ports[0].host, 2222);
}

TEST(ApplianceSettings, WhatItDoesNotDoIsRefused) {
    EXPECT_THAT(refusal({{"DHCP", "Y"}}), HasSubstr("DHCP=Y: an appliance"));
    EXPECT_THAT(refusal({{"DISPLAY", "vnc"}}), HasSubstr("DISPLAY=vnc: an appliance"));
    EXPECT_THAT(refusal({{"ON_FAILURE", "cry"}}), HasSubstr("ON_FAILURE=cry: use shell or"));
    EXPECT_THAT(refusal({{"VERSION", "9"}}), HasSubstr("VERSION=9: "));
    EXPECT_TRUE(powers_off_on_failure({{"ON_FAILURE", "PowerOff"}}));
    EXPECT_FALSE(powers_off_on_failure({{"ON_FAILURE", "shell"}}));
    EXPECT_FALSE(powers_off_on_failure({}));
}

TEST(ApplianceSettings, TheKernelLineSetsVariables) {
    EXPECT_THAT(
        variables_of_kernel_line("quiet hako.KVM=N kvm.x=1 hako.ARGUMENTS=\"-a b\" hako.X\n"),
        ElementsAre(Pair("ARGUMENTS", "-a b"), Pair("KVM", "N")));
}

TEST(ApplianceSettings, SurviveAsJson) {
    const ApplianceSettings settings{
        .variables = {{"VERSION", "13"}},
        .identity = macos::make_identity({}, macos::system_draw()).value()};
    const auto again = settings_from_json(to_json(settings)).value();
    EXPECT_EQ(again.variables, settings.variables);
    EXPECT_EQ(again.identity, settings.identity);
}

TEST(AppliancePrograms, LibrariesAreWhatLddNames) {
    EXPECT_THAT(parse_ldd("\tlinux-vdso.so.1 (0x00007ffd)\n"
                          "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007fa1)\n"
                          "\t/lib64/ld-linux-x86-64.so.2 (0x00007fb2)\n")
                    .value(),
                ElementsAre("/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"));
    EXPECT_THAT(parse_ldd("\tnot a dynamic executable\n").value(), ElementsAre());
    const auto missing = parse_ldd("\tlibx.so.1 => not found\n");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message(), HasSubstr("libx.so.1"));
}

TEST(ApplianceKernel, ModulesBringWhatTheyNeed) {
    const auto index = parse_depmod(
        "kernel/arch/x86/kvm/kvm-amd.ko: kernel/arch/x86/kvm/kvm.ko kernel/drivers/crypto/ccp.ko\n"
        "kernel/arch/x86/kvm/kvm.ko:\n"
        "kernel/drivers/crypto/ccp.ko:\n"
        "kernel/drivers/block/virtio_blk.ko:\n"
        "kernel/drivers/block/virtio_blk_other.ko:\n"
        "kernel/sound/soundcore.ko:\n"
        "# Aliases extracted from modules themselves.\n"
        "alias virtio:d00000002v* virtio_blk\n"
        "alias cpu:type:x86,*feature:*00C2* kvm_amd\n"
        "alias char-major-14-* soundcore\n"
        "alias symbol:register_sound soundcore\n");
    const auto chosen = choose_modules(index);
    EXPECT_EQ(dependencies_text(chosen),
              "kernel/arch/x86/kvm/kvm-amd.ko: kernel/arch/x86/kvm/kvm.ko "
              "kernel/drivers/crypto/ccp.ko\n"
              "kernel/arch/x86/kvm/kvm.ko:\n"
              "kernel/drivers/block/virtio_blk.ko:\n"
              "kernel/drivers/crypto/ccp.ko:\n");
    EXPECT_EQ(aliases_text(chosen),
              "alias cpu:type:x86,*feature:*00C2* kvm_amd\nalias virtio:d00000002v* virtio_blk\n");
}

TEST(ApplianceKernel, TheNewestWithModulesIsTaken) {
    const auto root = TempDir::create().value();
    const auto none = find_kernel(root.path());
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message(), HasSubstr("apt-get install linux-image-amd64"));
    ASSERT_TRUE(make_folders(root.path() / "boot"));
    for (const char* version : {"6.1.0-9-amd64", "6.1.0-10-amd64", "6.9"})
        ASSERT_TRUE(write_file(root.path() / "boot" / fmt::format("vmlinuz-{}", version), ""));
    for (const char* version : {"6.1.0-9-amd64", "6.1.0-10-amd64"})
        ASSERT_TRUE(make_folders(root.path() / "lib/modules" / version));
    EXPECT_EQ(find_kernel(root.path()).value().version, "6.1.0-10-amd64");
}

// A folder that looks like /sys as far as disks go.
class Sysfs {
public:
    void add(const std::string& name, std::uint64_t sectors,
             const std::map<std::string, std::string>& more = {}) const {
        const auto folder = path() / "block" / name;
        ASSERT_TRUE(make_folders(folder));
        if (!more.contains("virtual")) {
            ASSERT_TRUE(make_folders(folder / "device"));
        }
        ASSERT_TRUE(write_file(folder / "size", std::to_string(sectors) + "\n"));
        for (const auto& [file, text] : more) ASSERT_TRUE(write_file(folder / file, text));
    }
    void add_partition(const std::string& disk, const std::string& name,
                       std::string_view label) const {
        const auto folder = path() / "block" / disk / name;
        ASSERT_TRUE(make_folders(folder));
        ASSERT_TRUE(write_file(folder / "uevent",
                               fmt::format("DEVTYPE=partition\nPARTNAME={}\nPARTN=1\n", label)));
    }
    const fs::path& path() const { return folder_.path(); }

private:
    TempDir folder_ = TempDir::create().value();
};

TEST(ApplianceDevices, ItsOwnDiskIsKnownByItsPartitions) {
    const Sysfs sys;
    EXPECT_FALSE(find_own_disk(sys.path()));
    sys.add("nvme0n1", 1000);
    sys.add_partition("nvme0n1", "nvme0n1p3", kVariablesPartition);
    EXPECT_FALSE(find_own_disk(sys.path())) << "half of it is no appliance";
    sys.add_partition("nvme0n1", "nvme0n1p4", kOpenCorePartition);
    const auto own = find_own_disk(sys.path());
    ASSERT_TRUE(own);
    EXPECT_EQ(own->name, "nvme0n1");
    EXPECT_EQ(own->variables, "nvme0n1p3");
    EXPECT_EQ(own->opencore, "nvme0n1p4");
    EXPECT_FALSE(own->recovery);
    sys.add_partition("nvme0n1", "nvme0n1p5", kRecoveryPartition);
    EXPECT_EQ(find_own_disk(sys.path())->recovery, "nvme0n1p5");
}

TEST(ApplianceDevices, MacosGetsTheOneOtherDisk) {
    const Sysfs sys;
    const OwnDisk own{.name = "sda", .variables = "sda3", .opencore = "sda4"};
    sys.add("sda", 4000);
    sys.add("loop0", 1000, {{"virtual", ""}});
    sys.add("sr0", 1000, {{"removable", "1\n"}});
    sys.add("sdx", 1000, {{"ro", "1\n"}});
    sys.add("sdy", 0);
    const auto none = choose_disk(other_disks(sys.path(), own));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message(), HasSubstr("no second disk"));
    sys.add("sdb", 2000, {{"removable", "0\n"}, {"ro", "0\n"}});
    const auto one = choose_disk(other_disks(sys.path(), own)).value();
    EXPECT_EQ(one.name, "sdb");
    EXPECT_EQ(one.bytes, 2000U * 512);
    sys.add("sdc", 2000);
    const auto two = choose_disk(other_disks(sys.path(), own));
    ASSERT_FALSE(two);
    EXPECT_THAT(two.error().message(), HasSubstr("sdb (1.024MB), sdc (1.024MB)"));
    EXPECT_THAT(two.error().message(), HasSubstr("hako.DEVICE=/dev/sdb"));
}

}  // namespace
}  // namespace hako::appliance
