#include "macos/settings.h"

#include <gmock/gmock.h>

#include "base/fd.h"
#include "base/sha256.h"

namespace hako::macos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr HostSize kHost{.cpus = 8, .memory = 32 * kGiB};

MacSettings parsed(const Variables& variables) {
    const auto result = parse_settings(variables, kHost);
    EXPECT_TRUE(result) << result.error().message();
    return result ? result->settings : MacSettings{};
}

TEST(Settings, DefaultsAreDockurs) {
    const auto settings = parsed({{"PATH", "/bin"}, {"VERSION", ""}});
    EXPECT_EQ(settings.version.number, "14");
    EXPECT_EQ(settings.identity.product, "iMacPro1,1");
    EXPECT_EQ(settings.cpus, 2U);
    EXPECT_EQ(settings.memory, 4 * kGiB);
    EXPECT_THAT(settings.disks, ElementsAre(64 * kGiB));
    EXPECT_TRUE(settings.sizes_new_disk);
    EXPECT_EQ(settings.disk_format, DiskFormat::raw);
    EXPECT_EQ(settings.width, 1920U);
    EXPECT_FALSE(settings.show_picker);
    EXPECT_TRUE(settings.use_kvm);
    EXPECT_THAT(parse_settings({}, kHost)->warnings, IsEmpty());
}

TEST(Settings, AreReadAsTheyAreWritten) {
    const auto settings =
        parsed({{"VERSION", "big-sur"},
                {"MODEL", "macpro7,1"},
                {"MAC", "02:00:00:00:00:01"},
                {"WIDTH", "1280"},
                {"PICKER", "Enable"},
                {"CPU_CORES", "half"},
                {"RAM_SIZE", "half"},
                {"DISK_SIZE", "128G"},
                {"DISK3_SIZE", "10G"},
                {"DISK_FMT", "QCOW2"},
                {"DISK_TYPE", "ide"},
                {"USER_PORTS", "22, 8080:80,53/udp 5000-5002"},
                {"KVM", "n"},
                {"DHCP", "Y"},
                {"DISPLAY", "none"},
                {"WEB_PORT", "9000"},
                {"ARGUMENTS", "-device 'usb-host,vendorid=0x1' \"$(reboot)\" ;"}});
    EXPECT_EQ(settings.version.number, "11");
    EXPECT_EQ(*settings.identity.mac, "02:00:00:00:00:01");
    EXPECT_EQ(settings.width, 1280U);
    EXPECT_TRUE(settings.show_picker);
    EXPECT_EQ(settings.cpus, 4U);
    EXPECT_EQ(settings.memory, 16 * kGiB);
    EXPECT_THAT(settings.disks, ElementsAre(128 * kGiB, std::nullopt, 10 * kGiB));
    EXPECT_FALSE(settings.sizes_new_disk);
    EXPECT_EQ(settings.disk_format, DiskFormat::qcow2);
    EXPECT_EQ(settings.disk_bus, DiskBus::sata);
    ASSERT_EQ(settings.ports.size(), 6U);
    EXPECT_EQ(settings.ports[5].host, 5002);
    EXPECT_EQ(settings.ports[5].guest, 5002);
    EXPECT_EQ(settings.ports[1].host, 8080);
    EXPECT_EQ(settings.ports[1].guest, 80);
    EXPECT_EQ(settings.ports[2].protocol, "udp");
    EXPECT_EQ(settings.network, Network::lan);
    EXPECT_EQ(parsed({{"DHCP", "Y"}, {"NETWORK", "N"}}).network, Network::none);
    EXPECT_FALSE(settings.use_kvm);
    EXPECT_EQ(settings.display, Display::none);
    EXPECT_EQ(settings.web_port, 9000);
    EXPECT_THAT(settings.arguments,
                ElementsAre("-device", "usb-host,vendorid=0x1", "$(reboot)", ";"));
}

TEST(Settings, CoresAreThoseThatMacosStartsWith) {
    const std::pair<const char*, unsigned> kCounts[] = {
        {"1", 2},   {"2", 2},   {"3", 2},   {"4", 4},   {"5", 4},   {"6", 6},   {"7", 6},
        {"8", 8},   {"9", 8},   {"10", 10}, {"11", 10}, {"12", 12}, {"13", 12}, {"15", 14},
        {"16", 16}, {"23", 16}, {"24", 24}, {"33", 32}, {"100", 64}};
    for (const auto& [given, wanted] : kCounts)
        EXPECT_EQ(parsed({{"CPU_CORES", given}}).cpus, wanted) << given;
    EXPECT_THAT(parse_settings({{"CPU_CORES", "3"}}, kHost)->warnings,
                ElementsAre(HasSubstr("gets 2 cores")));
    EXPECT_EQ(parsed({{"CPU_CORES", "max"}}).cpus, 8U);
}

TEST(Settings, AreTakenAsDockurHasThem) {
    const auto settings = parsed({{"DISK_SIZE", "64"}, {"RAM_SIZE", "8"}, {"VGA", "vmware"}});
    EXPECT_THAT(settings.disks, ElementsAre(64 * kGiB));
    EXPECT_EQ(settings.memory, 8 * kGiB);
    EXPECT_EQ(settings.vga, "vmware-svga");
    EXPECT_EQ(parsed({{"RAM_SIZE", "6442450944"}}).memory, 6 * kGiB);
    EXPECT_EQ(parsed({{"VGA", "virtio-vga"}}).vga, "virtio-vga");
    for (const auto* name :
         {"DEBUG",      "MACHINE",       "WEB",       "STORAGE", "IP",           "HOST",
          "LOSSY",      "DISK7_SIZE",    "RAM_CHECK", "SOUND",   "DISK_FLAGS",   "DISK_OPTIONS",
          "DEV",        "MASK",          "TAP",       "BRIDGE",  "DNSMASQ_OPTS", "PASST_DEBUG",
          "PCI_BUS",    "HPET",          "VMPORT",    "SMM",     "LOGO",         "BOOT_INDEX",
          "MEDIA_TYPE", "BALLOONING_KP", "TRACE",     "SERIAL",  "MONITOR",      "QMP",
          "WSS_PORT",   "AUTOLOGIN"})
        EXPECT_THAT(parse_settings({{name, "x"}}, kHost)->warnings,
                    ElementsAre(HasSubstr(fmt::format("{}=x is passed over", name))));
}

TEST(Settings, TheRestOfDockursIsHeeded) {
    const auto settings = parsed({{"CONNECTIONS", "8"},
                                  {"DISK_ROTATION", "7200"},
                                  {"DISK_DISCARD", "on"},
                                  {"DISK_TYPE", "virtio-scsi"}});
    EXPECT_EQ(settings.connections, 8U);
    EXPECT_EQ(settings.disk_rotation, 7200U);
    EXPECT_EQ(settings.disk_discard, "unmap");
    EXPECT_EQ(settings.disk_bus, DiskBus::scsi);
    const auto secret = parse_settings({{"PASS", "hush"}}, kHost)->warnings;
    EXPECT_THAT(secret, ElementsAre(HasSubstr("PASSWORD")));
    EXPECT_THAT(secret, ElementsAre(Not(HasSubstr("hush"))));
}

TEST(Settings, WhatNeedsTheUsbIsSaid) {
    EXPECT_FALSE(parsed({{"USB", "N"}}).usb.on);
    for (const Variables& more :
         {Variables{{"AUDIO", "Y"}}, Variables{{"DISK_TYPE", "sata"}},
          Variables{{"VERSION", "10.13"}},
          Variables{{"ARGUMENTS", "-device usb-host,vendorid=1,productid=2"}}}) {
        auto variables = more;
        variables["USB"] = "N";
        const auto refused = parse_settings(variables, kHost);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().message(), HasSubstr("USB=N: "));
    }
}

TEST(Settings, WhatMeansNothingHereIsSaid) {
    const auto result =
        parse_settings({{"VNC_PORT", "5901"}, {"PROTECT", "N"}, {"LANG", "C"}}, kHost);
    EXPECT_THAT(result->warnings,
                ElementsAre(HasSubstr("VNC_PORT=5901 is passed over"), HasSubstr("PROTECT=N")));
    EXPECT_THAT(parse_settings({{"VERSION", "10.14"}, {"MTU", "1400"}}, kHost)->warnings,
                ElementsAre(HasSubstr("MTU=1400: the network card vmxnet3")));
}

TEST(Settings, MemoryIsWhatTheHostHasAtMost) {
    const auto result = parse_settings({{"RAM_SIZE", "64G"}}, kHost);
    EXPECT_EQ(result->settings.memory, 32 * kGiB);
    EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("RAM_SIZE=64G")));
}

TEST(Settings, NonsenseNamesItsVariable) {
    struct {
        const char* name;
        const char* value;
        const char* says;
    } const kBad[] = {
        {"VERSION", "9", "26 (Tahoe)"},
        {"MODEL", "PowerBook", "hako macos models"},
        {"SN", "C02", "12 characters"},
        {"MLB", "C0274000000000001", "checksum"},
        {"UUID", "x", "write it as"},
        {"MAC", "01:16:CB:01:02:03", "multicast"},
        {"WIDTH", "-1", "from 480 to 8192"},
        {"HEIGHT", "1080p", "from 480 to 8192"},
        {"PICKER", "maybe", "Y or N"},
        {"CPU_CORES", "0", "from 1 to 255"},
        {"CPU_CORES", "many", "from 1 to 255"},
        {"CPU_MODEL", "host,+x", "','"},
        {"CPU_FLAGS", "+avx;reboot", "';'"},
        {"SMP", "cores=4", "write it as 4,sockets=1"},
        {"SMP", "0", "from 1 to 255"},
        {"SMP", "4 -S", "' '"},
        {"MTU", "20", "from 576 to 65535"},
        {"RAM_SIZE", "1G", "from 4G"},
        {"RAM_SIZE", "3", "from 4G"},
        {"RAM_SIZE", "lots", "half or max"},
        {"DISK_SIZE", "10G", "from 32G"},
        {"DISK_SIZE", "9000000T", "to 1024T"},
        {"DISK_SIZE", "2000T", "to 1024T"},
        {"DISK6_SIZE", "x", "from 1G"},
        {"DISK_FMT", "vhd", "raw, qcow2"},
        {"DISK_TYPE", "floppy", "nvme"},
        {"ALLOCATE", "2", "Y or N"},
        {"DISK_CACHE", "unsafe", "none, writeback"},
        {"DISK_IO", "magic", "native, threads"},
        {"DISK_DISCARD", "maybe", "unmap, ignore"},
        {"DEVICE", "sdb", "whole path"},
        {"DEVICE6", "../x", "whole path"},
        {"USB", "mouse", "lsusb"},
        {"AUDIO", "loud", "Y or N"},
        {"VGA", "std,x", "','"},
        {"ALLOW_UNVERIFIED", "perhaps", "Y or N"},
        {"NETWORK", "bridge", "Y or N"},
        {"DHCP", "lan", "Y or N"},
        {"USER_PORTS", "80,70000", "\"70000\" is no port"},
        {"USER_PORTS", "80/icmp", "53/udp"},
        {"USER_PORTS", "5001-5000", "\"5001-5000\" is no port"},
        {"USER_PORTS", "1-60000", "5000-5010"},
        {"USER_PORTS", "5000-5001:80", "\"5000-5001:80\" is no port"},
        {"ADAPTER", "e1000,x", "','"},
        {"TIMEOUT", "5", "from 11 to 3600"},
        {"KVM", "sometimes", "Y or N"},
        {"BALLOONING", "?", "Y or N"},
        {"DISPLAY", "hologram", "vnc"},
        {"WEB_PORT", "70000", "from 0 to 65535"},
        {"ARGUMENTS", "-name 'x", "not closed"},
    };
    for (const auto& [name, value, says] : kBad) {
        const auto result = parse_settings({{name, value}}, kHost);
        ASSERT_FALSE(result) << name << "=" << value;
        EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
        EXPECT_THAT(result.error().message(), HasSubstr(fmt::format("{}={}: ", name, value)));
        EXPECT_THAT(result.error().message(), HasSubstr(says));
    }
}

TEST(Settings, TheKeyIsOneOfAMacOrNone) {
    const std::string key(64, 'k');
    EXPECT_TRUE(is_osk(key, sha256_hex(as_bytes(key))));
    EXPECT_FALSE(is_osk(key.substr(1), sha256_hex(as_bytes(key.substr(1)))));
    const auto refused = parse_settings({{"OSK", key}}, kHost);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("OSK is not the key of a Mac"));
    EXPECT_THAT(refused.error().message(), Not(HasSubstr(key)));
}

TEST(Settings, DevicesOfTheHostTakeTheDisksPlaces) {
    const auto settings = parsed({{"DEVICE", "/dev/sdb"},
                                  {"DEVICE3", "/srv/x.img"},
                                  {"USB", "046d:c52b"},
                                  {"ARGUMENTS", "-device usb-host,hostbus=1,hostaddr=2 -name x"}});
    EXPECT_EQ(settings.disks.size(), 3U);
    EXPECT_EQ(settings.host_disks.at(0), "/dev/sdb");
    EXPECT_EQ(settings.host_disks.at(2), "/srv/x.img");
    EXPECT_EQ(settings.usb.devices.size(), 2U);
    EXPECT_THAT(settings.arguments, ElementsAre("-name", "x"));
}

}  // namespace
}  // namespace hako::macos
