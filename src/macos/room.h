// Room on the host for what a guest's disks are to hold. QEMU stops a guest that writes where there
// is none, and the guest notices nothing but that time has passed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "macos/qemu_command.h"
#include "vmm/qemu/qmp.h"

namespace hako::macos {

constexpr std::uint64_t kRoomToGoOn = 64 * kMiB;

// Whether the guest stands still for want of room.
Result<bool> wants_room(vmm::QmpClient& qmp);
// Of the disks that found no room, one that has less than kRoomToGoOn. None: the guest can go on.
Result<std::optional<std::filesystem::path>> full_disk(vmm::QmpClient& qmp,
                                                       const std::vector<DiskFile>& disks);
// What its user is told.
std::string say_full(const std::filesystem::path& disk);

}  // namespace hako::macos
