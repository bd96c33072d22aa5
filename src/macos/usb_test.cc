#include "macos/usb.h"

#include <gmock/gmock.h>

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
    std::vector<vmm::UsbName> wishes;
    EXPECT_THAT(
        take_usb({"-name", "x", "-device", "usb-host,vendorid=0x1234,productid=0x5678", "-device",
                  "usb-host,hostbus=1,hostaddr=4", "-device", "usb-host,port=1", "-device"},
                 wishes),
        ElementsAre("-name", "x", "-device", "usb-host,port=1", "-device"));
    ASSERT_EQ(wishes.size(), 2U);
    EXPECT_EQ(wishes[0].product, 0x5678U);
    EXPECT_EQ(wishes[1].device, 4U);
}

}  // namespace
}  // namespace hako::macos
