// What `exec` runs in a macOS machine: a person's hands and eyes, and its disks (docs/macos.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "macos/settings.h"
#include "macshim/mac_execs.h"
#include "vmm/qemu/qmp.h"

namespace hako::macshim {

// The machine, as the commands see it. Its QEMU may end at any time.
struct MacHands {
    // ErrorKind::conflict before there is one.
    std::function<Result<std::shared_ptr<vmm::QmpClient>>()> qmp;
    std::filesystem::path folder;  // of its disks
    // It is stopped: what works on disks may, with the storage locked. Their format.
    std::optional<macos::DiskFormat> stopped;
    std::function<Result<Json>()> status;
    // Ends QEMU, puts the disks back and starts it again.
    std::function<Result<void>(const std::string& snapshot, bool with_memory)> restore;
};

// 127 for an unknown command, with all that there are; 1 for one that failed.
CommandAnswer run_command(const MacHands& hands, const std::vector<std::string>& words);

}  // namespace hako::macshim
