// The disks of a macOS machine: made, grown, and brought from one format to another. A power
// failure at any moment leaves the disk as it was or as it is meant to be; nothing here makes one
// smaller.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "macos/settings.h"

namespace hako::macos {

struct DiskWish {
    std::string name;  // "data": data.img or data.qcow2 in the folder
    DiskFormat format = DiskFormat::raw;
    std::uint64_t bytes = 0;
    bool allocate = false;    // take the room now (raw only)
    bool keeps_size = false;  // bytes are those of a new disk: one that is there is grown by
                              // grow_disk() alone
};

// Of a machine's disks, counted from 0: "data", "data2" ...
std::string disk_name(std::size_t index);

// Returns the disk's file. ErrorKind::invalid when it is larger than wished; conflict when there is
// one of each format.
Result<std::filesystem::path> ensure_disk(const std::filesystem::path& folder,
                                          const DiskWish& wish);

// Grows a disk that is there, of a machine that is stopped, for good (note_growth).
// ErrorKind::invalid when it is larger already.
Result<void> grow_disk(const std::filesystem::path& folder, const DiskWish& wish);

// Grows a disk for good: its size is noted first, so that a power cut leaves it to the next start.
// The note of one that was refused is taken back.
Result<void> grow_noted(const std::filesystem::path& folder, const std::string& name,
                        std::uint64_t bytes, const std::function<Result<void>()>& grow);

// What the disk was grown to; 0 where it never was.
std::uint64_t grown_bytes(const std::filesystem::path& folder, const std::string& name);
// Writes that down: from then on no wish is smaller.
Result<void> note_growth(const std::filesystem::path& folder, const std::string& name,
                         std::uint64_t bytes);

// Size of the disk in the file. ErrorKind::corrupt for what is no qcow2.
Result<std::uint64_t> disk_bytes(const std::filesystem::path& file, DiskFormat format);

// Whether the file's system reads past its cache.
bool takes_direct(const std::filesystem::path& file);

}  // namespace hako::macos
