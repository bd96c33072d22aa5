#include "vmm/host_device.h"

#include <gmock/gmock.h>

#include "base/fd.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What the kernel says of a host's devices.
class HostDevices : public ::testing::Test {
protected:
    void write(const fs::path& file, const std::string& text) {
        fs::create_directories((sys_.path() / file).parent_path());
        ASSERT_TRUE(write_file(sys_.path() / file, text + "\n"));
    }
    void plug(const std::string& place, const char* bus, const char* device, const char* vendor,
              const char* product) {
        const auto folder = "bus/usb/devices" / fs::path(place);
        write(folder / "busnum", bus);
        write(folder / "devnum", device);
        write(folder / "idVendor", vendor);
        write(folder / "idProduct", product);
    }
    void add_pci(const std::string& address, const char* klass, const std::string& driver,
                 const std::string& group) {
        const auto folder = "bus/pci/devices" / fs::path(address);
        write(folder / "class", klass);
        const auto link = [&](const char* name, const fs::path& target) {
            fs::create_directory_symlink(target, sys_.path() / folder / name);
        };
        if (!driver.empty()) link("driver", "../../../bus/pci/drivers/" + driver);
        if (group.empty()) return;
        link("iommu_group", "../../../kernel/iommu_groups/" + group);
        fs::create_directories(sys_.path() / "kernel/iommu_groups" / group / "devices" / address);
    }
    auto find(const std::vector<std::string>& names) {
        return find_host_devices(names, sys_.path());
    }
    std::string why_not(const std::string& name) {
        const auto found = find({name});
        return found ? "" : found.error().message();
    }

    TempDir sys_ = TempDir::create().value();
};

TEST_F(HostDevices, UsbIsFoundByKindOrByPlace) {
    plug("usb1", "1", "1", "1d6b", "0002");
    plug("1-4", "1", "14", "046d", "c52b");
    fs::create_directories(sys_.path() / "bus/usb/devices/1-4:1.0");
    for (const auto* name :
         {"hako/usb=046d:c52b", "hako/usb=001/014", "hako/usb=1/14", "/dev/bus/usb/001/014"}) {
        const auto found = find({name}).value();
        ASSERT_EQ(found.size(), 1U) << name;
        EXPECT_EQ(found[0].bus, HostDevice::Bus::usb);
        EXPECT_EQ(found[0].node, "/dev/bus/usb/001/014");
        EXPECT_TRUE(validate(found[0]));
    }
    EXPECT_EQ(find({"hako/usb=046d:c52b", "/dev/bus/usb/001/014"})->size(), 1U);
    EXPECT_THAT(why_not("hako/usb=0001:0002"), HasSubstr("no USB device 0001:0002 is plugged in"));
    EXPECT_THAT(why_not("/dev/bus/usb/009/009"), HasSubstr("009/009"));
}

TEST_F(HostDevices, PciIsVfiosOrTheErrorSaysHow) {
    add_pci("0000:01:00.0", "0x030000", "vfio-pci", "12");
    add_pci("0000:02:00.0", "0x010802", "nvme", "13");
    add_pci("0000:03:00.0", "0x020000", "", "14");
    add_pci("0000:04:00.0", "0x020000", "vfio-pci", "");
    const auto found = find({"hako/pci=0000:01:00.0"}).value();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].bus, HostDevice::Bus::pci);
    EXPECT_EQ(found[0].node, "/dev/vfio/12");
    EXPECT_EQ(found[0].address, "0000:01:00.0");
    EXPECT_TRUE(validate(found[0]));
    EXPECT_THAT(why_not("hako/pci=0000:02:00.0"),
                AllOf(HasSubstr("nvme's"), HasSubstr("driverctl set-override 0000:02:00.0")));
    EXPECT_THAT(why_not("hako/pci=0000:03:00.0"), HasSubstr("without a driver"));
    EXPECT_THAT(why_not("hako/pci=0000:04:00.0"), HasSubstr("intel_iommu=on"));
    EXPECT_THAT(why_not("hako/pci=0000:05:00.0"), HasSubstr("there is no PCI device"));
}

TEST_F(HostDevices, AGroupIsAllOfItButBridges) {
    add_pci("0000:00:01.0", "0x060400", "pcieport", "12");
    add_pci("0000:01:00.1", "0x040300", "vfio-pci", "12");
    add_pci("0000:01:00.0", "0x030000", "vfio-pci", "12");
    const auto found = find({"/dev/vfio/12", "hako/pci=0000:01:00.0"}).value();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].address, "0000:01:00.0");
    EXPECT_EQ(found[1].address, "0000:01:00.1");
    EXPECT_THAT(why_not("/dev/vfio/13"), HasSubstr("no device in IOMMU group 13"));
    add_pci("0000:01:00.2", "0x0c0330", "xhci_hcd", "12");
    EXPECT_THAT(why_not("/dev/vfio/12"), HasSubstr("0000:01:00.2 is xhci_hcd's"));
}

TEST(HostDeviceName, IsANodeOrAsCdiSays) {
    for (const auto* name :
         {"/dev/bus/usb/001/004", "/dev/vfio/12", "hako/usb=046d:c52b", "hako/pci=0000:0a:1f.7"}) {
        EXPECT_TRUE(names_host_device(name)) << name;
        EXPECT_TRUE(check_host_device(name)) << name;
    }
    for (const auto* name : {"/dev/fuse", "/dev/vfio", "nvidia.com/gpu=all", ""})
        EXPECT_FALSE(names_host_device(name)) << name;
    for (const auto* wrong :
         {"/dev/bus/usb/", "/dev/bus/usb/001", "/dev/vfio/", "/dev/vfio/vfio",
          "hako/usb=", "hako/usb=046d", "hako/pci=01:00.0", "hako/pci=0000:01:00,x"}) {
        EXPECT_TRUE(names_host_device(wrong)) << wrong;
        EXPECT_FALSE(check_host_device(wrong)) << wrong;
    }
}

TEST(HostDeviceJson, ComesBackAsItWas) {
    const std::vector<HostDevice> devices{{HostDevice::Bus::usb, "/dev/bus/usb/001/004"},
                                          {HostDevice::Bus::pci, "/dev/vfio/12", "0000:01:00.0"}};
    const auto back = host_devices_from_json(to_json(devices)).value();
    ASSERT_EQ(back.size(), 2U);
    EXPECT_EQ(back[0].node, devices[0].node);
    EXPECT_EQ(back[1].bus, HostDevice::Bus::pci);
    EXPECT_EQ(back[1].address, devices[1].address);
    // What goes into QEMU's options and its jail.
    EXPECT_FALSE(validate(HostDevice{HostDevice::Bus::pci, "/dev/vfio/12", "0000:01:00.0,x=y"}));
    EXPECT_FALSE(validate(HostDevice{HostDevice::Bus::pci, "/dev/mem", "0000:01:00.0"}));
    EXPECT_FALSE(validate(HostDevice{HostDevice::Bus::usb, "/dev/bus/usb/../sda"}));
}

}  // namespace
}  // namespace hako::vmm
