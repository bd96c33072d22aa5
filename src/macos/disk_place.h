// Where a machine's disks lie: in its folder, or each in another one, as /storage2 to /storage6 of
// a container. A link in the machine's folder remembers:
//
//   <folder>/data2.place -> /srv/fast     data2.img, and all that belongs to it, is there
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/result.h"
#include "macos/settings.h"

namespace hako::macos {

constexpr std::string_view kPlace = ".place";

// Folders of disk 1, 2 ... (counted from 0), where they are not the machine's.
using DiskFolders = std::map<std::size_t, std::filesystem::path>;

// name: as disk_name() has it.
std::filesystem::path disk_folder(const std::filesystem::path& folder, const std::string& name);

// Before a machine is made or its disks are worked on. A disk that is there is never left behind
// for an empty one: ErrorKind::conflict says where it lies.
Result<void> place_disks(const std::filesystem::path& folder, const MacSettings& settings,
                         const DiskFolders& places);

}  // namespace hako::macos
