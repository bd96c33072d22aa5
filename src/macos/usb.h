// Devices that are plugged into the host and are to be the guest's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vmm/host_device.h"

namespace hako::macos {

// "046d:c52b,001/004", as lsusb prints them. ErrorKind::invalid tells of the wrong one.
Result<std::vector<vmm::UsbName>> parse_usb(std::string_view text);

// dockur's way: "-device usb-host,vendorid=0x46d,productid=0xc52b" (or hostbus=, hostaddr=) among
// QEMU's arguments. They are wishes; the rest is returned.
std::vector<std::string> take_usb(const std::vector<std::string>& arguments,
                                  std::vector<vmm::UsbName>& wishes);

}  // namespace hako::macos
