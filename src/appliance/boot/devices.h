// The disks of the machine, as sysfs lists them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hako::appliance {

// The appliance's own disk: the names of it and of its partitions ("sda", "sda3").
struct OwnDisk {
    std::string name;
    std::string variables;
    std::string opencore;
    std::optional<std::string> recovery = {};
};

// None when no such disk has appeared yet. sys: /sys, or in tests a folder.
std::optional<OwnDisk> find_own_disk(const std::filesystem::path& sys);

struct OtherDisk {
    std::string name;
    std::uint64_t bytes = 0;
};
// By name: those that can be macOS's. No CD, no stick, nothing that Linux makes of memory or of
// other disks.
std::vector<OtherDisk> other_disks(const std::filesystem::path& sys, const OwnDisk& own);

// The one that there is. The error says that there is none, or how to name the right one.
Result<OtherDisk> choose_disk(const std::vector<OtherDisk>& disks);

}  // namespace hako::appliance
