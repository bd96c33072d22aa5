#include "macos/usb.h"

#include <gmock/gmock.h>

#include "base/fd.h"

namespace hako::macos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Usb, IsNamedAsLsusbDoes) {
    const auto wishes = parse_usb("046d:c52b, 001/014").value();
    ASSERT_EQ(wishes.size(), 2U);
    EXPECT_EQ(wishes[0].vendor, 0x46dU);
    EXPECT_EQ(wishes[0].product, 0xc52bU);
    EXPECT_EQ(wishes[1].bus, 1U);
    EXPECT_EQ(wishes[1].device, 14U);
    EXPECT_TRUE(parse_usb("")->empty());
    for (const auto* wrong : {"046d", "046d:", ":1", "x:y", "1/x", "0/1", "12345:1", "1:2;3", ","})
        EXPECT_THAT(parse_usb(wrong).error().message(), HasSubstr("as lsusb does")) << wrong;
}

TEST(Usb, DockursArgumentsAreWishes) {
    std::vector<UsbWish> wishes;
    EXPECT_THAT(
        take_usb({"-name", "x", "-device", "usb-host,vendorid=0x1234,productid=0x5678", "-device",
                  "usb-host,hostbus=1,hostaddr=4", "-device", "usb-host,port=1", "-device"},
                 wishes),
        ElementsAre("-name", "x", "-device", "usb-host,port=1", "-device"));
    ASSERT_EQ(wishes.size(), 2U);
    EXPECT_EQ(wishes[0].product, 0x5678U);
    EXPECT_EQ(wishes[1].device, 4U);
}

TEST(Usb, IsFoundWhereItIsPluggedIn) {
    const auto sys = TempDir::create().value();
    const auto plug = [&](const char* place, const char* bus, const char* device,
                          const char* vendor, const char* product) {
        const auto folder = sys.path() / place;
        std::filesystem::create_directories(folder);
        for (const auto& [name, text] : {std::pair("busnum", bus),
                                         {"devnum", device},
                                         {"idVendor", vendor},
                                         {"idProduct", product}})
            ASSERT_TRUE(write_file(folder / name, std::string(text) + "\n"));
    };
    plug("usb1", "1", "1", "1d6b", "0002");
    plug("1-4", "1", "14", "046d", "c52b");
    std::filesystem::create_directories(sys.path() / "1-4:1.0");
    EXPECT_EQ(find_usb({.vendor = 0x46d, .product = 0xc52b}, sys.path()).value(),
              "/dev/bus/usb/001/014");
    EXPECT_EQ(find_usb({.bus = 1, .device = 1}, sys.path()).value(), "/dev/bus/usb/001/001");
    EXPECT_THAT(find_usb({.vendor = 1, .product = 2}, sys.path()).error().message(),
                HasSubstr("0001:0002"));
    EXPECT_EQ(find_usb({.bus = 9, .device = 9}, sys.path()).error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace hako::macos
