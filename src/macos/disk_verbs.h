// Commands of a machine (macshim/mac_commands.h) that work on its disks, also while it is stopped.
#pragma once

#include <algorithm>
#include <string_view>

namespace hako::macos {

constexpr std::string_view kDiskVerbs[] = {"snapshot", "snapshots", "restore", "forget", "resize"};

constexpr bool is_disk_verb(std::string_view verb) {
    return std::ranges::find(kDiskVerbs, verb) != std::end(kDiskVerbs);
}

}  // namespace hako::macos
