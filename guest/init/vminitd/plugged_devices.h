// Devices of the host that the VM was given: what is on its buses for USB and PCI. All that virtio
// carries is the machine's own and on neither.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// A container that may use them has the annotation io.hako.host-devices. Its value says how many
// are on the USB: they are waited for, as the bus finds them after the boot. linux.devices and
// linux.resources.devices get a node and a rule for each, as the drivers of the kernel made them.
// ErrorKind::unavailable when a device does not come in time, or no driver for its bus is there.
Result<void> add_plugged_devices(Json& spec);

struct PluggedNode {
    std::string path;  // "/dev/ttyUSB0"
    bool block = false;
    unsigned major = 0, minor = 0;
};
// sys: where the kernel shows them; in tests a folder.
std::vector<PluggedNode> plugged_nodes(const std::filesystem::path& sys);
// Those behind a hub count, hubs of the controllers do not.
unsigned count_usb_devices(const std::filesystem::path& sys);

}  // namespace hako::init
