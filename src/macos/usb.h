// The guest's USB: its controller, and devices that are plugged into the host and are to be the
// guest's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vmm/host_device.h"

namespace hako::macos {

struct UsbSettings {
    bool on = true;                           // else no controller, keyboard and tablet
    std::string controller = "nec-usb-xhci";  // of QEMU
    std::string id = "usb";                   // its bus is <id>.0
    std::string options = ",msi=off";         // of the controller
    std::vector<vmm::UsbName> devices = {};
};

// "046d:c52b,001/004", as lsusb prints them; dockur's "qemu-xhci,id=xhci,p2=7" or "N"; or a
// controller and devices. ErrorKind::invalid tells of the wrong part.
Result<UsbSettings> parse_usb(std::string_view text);

// dockur's way: "-device usb-host,vendorid=0x46d,productid=0xc52b" (or hostbus=, hostaddr=) among
// QEMU's arguments. They are wishes; the rest is returned.
std::vector<std::string> take_usb(const std::vector<std::string>& arguments,
                                  std::vector<vmm::UsbName>& wishes);

}  // namespace hako::macos
