// Snapshots of a machine: copies of its disks and of the firmware's variables, and of its memory
// where it was taken while the machine ran.
//
//   <folder>/snapshots/<name>/data.img ... vars.fd, memory   complete, for it got its name last
//   <folder>/restoring                                       the name of one that is being restored
//   <folder>/memory                                          what the next start goes on from
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace hako::macos {

struct Snapshot {
    std::string name;
    WallTime taken{};
    bool has_memory = false;
    std::uint64_t bytes = 0;  // that it takes on the disk
};

// Writes the memory into the file; none: the machine does not run, or its memory does not matter.
using SaveMemory = std::function<Result<void>(const std::filesystem::path& file)>;

// The disks stand still meanwhile: their machine does not run, or `save` leaves it stopped.
// ErrorKind::conflict when the name is taken, invalid when it is none.
Result<void> take_snapshot(const std::filesystem::path& folder, const std::string& name,
                           const SaveMemory& save = {});
// Oldest first.
Result<std::vector<Snapshot>> list_snapshots(const std::filesystem::path& folder);
Result<void> remove_snapshot(const std::filesystem::path& folder, const std::string& name);

// The folder of a snapshot. ErrorKind::not_found.
Result<std::filesystem::path> find_snapshot(const std::filesystem::path& folder,
                                            const std::string& name);
// Makes another machine's snapshot (find_snapshot) what a machine in `folder` begins with: disks,
// identity, and the memory where there is any. Does nothing where a machine is already; what is cut
// short is done again.
Result<void> begin_with(const std::filesystem::path& snapshot, const std::filesystem::path& folder);

// Puts the disks back as they were. The machine does not run. What is cut short is finished by
// finish_restore(), or by restoring again.
Result<void> restore_snapshot(const std::filesystem::path& folder, const std::string& name,
                              bool with_memory);
// What a power failure interrupted. Before anything else is done with the disks.
Result<void> finish_restore(const std::filesystem::path& folder);

// The memory that the machine goes on from when it is started.
std::optional<std::filesystem::path> memory_to_load(const std::filesystem::path& folder);

}  // namespace hako::macos
