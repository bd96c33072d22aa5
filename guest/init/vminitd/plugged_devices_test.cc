#include "init/vminitd/plugged_devices.h"

#include <gmock/gmock.h>

#include "base/fd.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

class PluggedDevices : public ::testing::Test {
protected:
    void add(const std::string& kind, const std::string& numbers, const fs::path& device,
             const std::string& name) {
        fs::create_directories(sys_.path() / "devices" / device);
        fs::create_directories(sys_.path() / "dev" / kind);
        fs::create_symlink("../../devices" / device, sys_.path() / "dev" / kind / numbers);
        ASSERT_TRUE(write_file(sys_.path() / "devices" / device / "uevent",
                               "MAJOR=1\nDEVNAME=" + name + "\n"));
    }
    TempDir sys_ = TempDir::create().value();
};

TEST_F(PluggedDevices, AreThoseOnTheBuses) {
    add("char", "188:0", "platform/PNP0D10:00/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0", "ttyUSB0");
    add("char", "189:1", "platform/PNP0D10:00/usb1/1-1", "bus/usb/001/002");
    add("block", "259:0", "pci0000:00/0000:00:01.0/nvme/nvme0/nvme0n1", "nvme0n1");
    add("block", "254:0", "platform/LNRO0005:00/virtio0/block/vda", "vda");
    add("char", "1:3", "virtual/mem/null", "null");
    add("char", "4:64", "pnp0/00:01/tty/ttyS0", "ttyS0");
    std::vector<std::string> found;
    for (const auto& node : plugged_nodes(sys_.path()))
        found.push_back(
            fmt::format("{} {}{}:{}", node.path, node.block ? 'b' : 'c', node.major, node.minor));
    EXPECT_THAT(
        found, ::testing::UnorderedElementsAre("/dev/ttyUSB0 c188:0", "/dev/bus/usb/001/002 c189:1",
                                               "/dev/nvme0n1 b259:0"));
    EXPECT_TRUE(plugged_nodes("/nowhere").empty());
}

TEST_F(PluggedDevices, HubsOfControllersDoNotCount) {
    EXPECT_EQ(count_usb_devices(sys_.path()), 0U);
    for (const auto* name : {"usb1", "usb2", "1-1", "1-1:1.0", "1-1.4"})
        fs::create_directories(sys_.path() / "bus/usb/devices" / name);
    EXPECT_EQ(count_usb_devices(sys_.path()), 2U);
}

TEST(PluggedDevicesSpec, OthersStayAsTheyAre) {
    Json spec{{"annotations", {{"a", "b"}}}};
    const Json before = spec;
    EXPECT_TRUE(add_plugged_devices(spec));
    EXPECT_EQ(spec, before);
    spec["annotations"]["io.hako.host-devices"] = "many";
    EXPECT_EQ(add_plugged_devices(spec).error().kind(), ErrorKind::invalid);
}

}  // namespace
}  // namespace hako::init
