// The disk from which a macOS machine boots: OpenCore, its configuration and what it loads.
// Machines have it read-only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "macos/opencore_config.h"
#include "macos/opencore_files.h"

namespace hako::macos {

struct BootDiskSpec {
    OpenCoreSettings settings;
    std::vector<OpenCoreSource> sources;
    // A config.plist of the user's own, taken as it is.
    std::optional<std::filesystem::path> custom_config = {};
};

struct BootDisk {
    std::vector<std::string> warnings;
    bool was_current = false;  // nothing had to be written
};

// Writes it, or leaves it where it was made of the same: <file>.inputs holds the sum of those.
Result<BootDisk> make_boot_disk(const BootDiskSpec& spec, const std::filesystem::path& file);

}  // namespace hako::macos
