#include "macos/usb.h"

#include <gmock/gmock.h>

namespace hako::macos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Usb, IsNamedAsLsusbDoes) {
    const auto wishes = parse_usb("046d:c52b, 001/014")->devices;
    ASSERT_EQ(wishes.size(), 2U);
    EXPECT_EQ(wishes[0].vendor, 0x46dU);
    EXPECT_EQ(wishes[0].product, 0xc52bU);
    EXPECT_EQ(wishes[1].bus, 1U);
    EXPECT_EQ(wishes[1].device, 14U);
    EXPECT_TRUE(parse_usb("")->devices.empty());
    EXPECT_EQ(parse_usb("")->controller, "nec-usb-xhci");
    for (const auto* wrong : {"046d", "046d:", ":1", "x:y", "1/x", "0/1", "12345:1", "1:2;3", ","})
        EXPECT_THAT(parse_usb(wrong).error().message(), HasSubstr("lsusb does")) << wrong;
}

TEST(Usb, DockurNamesItsController) {
    const auto usb = parse_usb("qemu-xhci,id=xhci,p2=7,p3=7").value();
    EXPECT_TRUE(usb.on);
    EXPECT_EQ(usb.controller, "qemu-xhci");
    EXPECT_EQ(usb.id, "xhci");
    EXPECT_EQ(usb.options, ",p2=7,p3=7");
    EXPECT_EQ(parse_usb("nec-usb-xhci")->options, "") << "as it is written";
    for (const auto* none : {"N", "no", "none", "off", "False", "disabled"})
        EXPECT_FALSE(parse_usb(none)->on) << none;
    const auto both = parse_usb("usb-ehci, 046d:c52b").value();
    EXPECT_EQ(both.controller, "usb-ehci");
    EXPECT_EQ(both.devices.size(), 1U);
    for (const auto* wrong : {"id=xhci", "qemu-xhci,nec-usb-xhci", "qemu-xhci id=x", "usb-host",
                              "Y", "qemu-xhci,id=a.b -drive"})
        EXPECT_FALSE(parse_usb(wrong)) << wrong;
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
