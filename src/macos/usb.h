// Devices that are plugged into the host and are to be the guest's.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

// By what it is, or by where it is: the other pair is 0.
struct UsbWish {
    unsigned vendor = 0, product = 0;
    unsigned bus = 0, device = 0;
};

// "046d:c52b,001/004", as lsusb prints them. ErrorKind::invalid tells of the wrong one.
Result<std::vector<UsbWish>> parse_usb(std::string_view text);

// dockur's way: "-device usb-host,vendorid=0x46d,productid=0xc52b" (or hostbus=, hostaddr=) among
// QEMU's arguments. They are wishes; the rest is returned.
std::vector<std::string> take_usb(const std::vector<std::string>& arguments,
                                  std::vector<UsbWish>& wishes);

// The device node. ErrorKind::not_found where nothing of the kind is plugged in. sys: where the
// kernel lists devices; in tests a folder.
Result<std::filesystem::path> find_usb(const UsbWish& wish,
                                       const std::filesystem::path& sys = "/sys/bus/usb/devices");

}  // namespace hako::macos
