// Which devices of the VM have a driver: by sysfs.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hako::init {

// The virtio-mmio slots that the kernel's command line announces, and what was found in them.
constexpr const char* kSlotBus = "platform";
constexpr const char* kVirtioBus = "virtio";

// Names of those without a driver: "virtio-mmio.4", "virtio5".
std::vector<std::string> unbound_devices(const std::string& bus);
// 4 of "virtio-mmio.4", the fifth slot that was announced; of other names a large number.
unsigned slot_number(const std::string& name);
// Nothing where no driver is for it: an empty slot.
void bind_device(const std::string& bus, const std::string& name);
// The driver lets go of it: what it was to the kernel is gone.
Result<void> unbind_device(const std::string& bus, const std::string& name);

}  // namespace hako::init
