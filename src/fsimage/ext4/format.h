// Empty ext4 disks: scratch space of containers and block volumes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hako::fsimage {

struct Ext4Options {
    std::uint64_t size = 0;  // bytes, rounded down to a multiple of 4096; at least 8 MiB
    std::string label = {};  // at most 16 bytes
    // Bytes of its journal, 0 for none; by default a 64th of the disk, 4 to 64 MiB.
    std::optional<std::uint64_t> journal = {};
    // Of metadata (metadata_csum): what a host's disk made of it shows when it is read. Without,
    // only group descriptors have any (uninit_bg).
    bool checksums = true;
    std::uint64_t inodes = 0;               // at least so many; and one for 16 KiB of disk
    std::vector<std::string> folders = {};  // in its root, by name: 0:0 with mode 0755
    std::vector<std::string> files = {};    // empty ones, in these: "FOLDER/NAME", the same
};

// Creates a sparse file of that size with an empty ext4 in it: in milliseconds whatever its size,
// since inode tables and journal are left as holes. The root directory is 0:0 with mode 0755 and
// no blocks are reserved. An existing file is ErrorKind::conflict; on an error nothing is left.
Result<void> format_ext4(const std::filesystem::path& path, const Ext4Options& options);

}  // namespace hako::fsimage
