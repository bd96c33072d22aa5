// What is done with a machine's disks by verbs and JSON, whether it runs or not.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "macos/settings.h"

namespace hako::macos {

// Of a machine that does not run; its storage is locked meanwhile.
//
//   snapshot  {name}             take one of the disks
//   snapshots {}                 [{name, taken, memory, bytes}]
//   restore   {name, disk_only}  put the disks back, and the memory for the next start
//   forget    {name}             remove a snapshot
//   resize    {disk, bytes}      grow disk 1 to 6
//
// The answer is JSON; null for none. ErrorKind::invalid for another verb.
Result<Json> control_storage(const std::filesystem::path& storage, const MacSettings& settings,
                             std::string_view verb, const Json& arguments);

// Those of them that need nothing to stand still: snapshots and forget. Nullopt for others.
Result<std::optional<Json>> control_snapshots(const std::filesystem::path& folder,
                                              std::string_view verb, const Json& arguments);

// {disk, bytes} of resize.
struct Growth {
    std::string disk;  // "data", "data2"
    std::uint64_t bytes = 0;
};
Result<Growth> read_growth(const Json& arguments);

}  // namespace hako::macos
