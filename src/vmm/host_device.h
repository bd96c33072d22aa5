// Devices of the host that a VM takes over: of USB by their node, of PCI by VFIO.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::vmm {

struct HostDevice {
    enum class Bus { usb, pci };
    Bus bus = Bus::usb;
    std::filesystem::path node;  // "/dev/bus/usb/001/004"; of PCI: its group's, "/dev/vfio/12"
    std::string address = {};    // of PCI only: "0000:01:00.0"
};
std::string_view to_string(HostDevice::Bus bus);
Result<void> validate(const HostDevice& device);
Json to_json(const std::vector<HostDevice>& devices);
Result<std::vector<HostDevice>> host_devices_from_json(const Json& list);

// A device on the USB, by what it is or by where it is: the other pair is 0.
struct UsbName {
    unsigned vendor = 0, product = 0;
    unsigned bus = 0, device = 0;
};
// "046d:c52b" or "001/004", as lsusb prints them.
Result<UsbName> parse_usb_name(std::string_view text);
// Its node. ErrorKind::not_found where nothing of the kind is plugged in. sys: where the kernel
// lists devices; in tests a folder.
Result<std::filesystem::path> find_usb(const UsbName& name,
                                       const std::filesystem::path& sys = "/sys");

// How users name one: its node ("/dev/bus/usb/001/004"), the node of an IOMMU group
// ("/dev/vfio/12": all devices in it), or as CDI does (cncf-tags/container-device-interface,
// SPEC.md): "hako/usb=046d:c52b", "hako/usb=001/004", "hako/pci=0000:01:00.0".
bool names_host_device(std::string_view name);
// ErrorKind::invalid where it cannot be the name of a device.
Result<void> check_host_device(std::string_view name);
// What the names stand for, each device once. ErrorKind::not_found, or ErrorKind::conflict for a
// PCI device that is not VFIO's: the error says what to do.
Result<std::vector<HostDevice>> find_host_devices(const std::vector<std::string>& names,
                                                  const std::filesystem::path& sys = "/sys");

}  // namespace hako::vmm
