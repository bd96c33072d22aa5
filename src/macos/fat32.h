// A FAT32 file system (Microsoft: FAT32 File System Specification 1.03) with the files of a tree,
// written in one go. The same tree gives the same bytes.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "macos/file_tree.h"

namespace hako::macos {

struct Fat32Place {
    int fd = -1;
    std::uint64_t offset = 0;  // of the file system in the file; whatever is not written must be 0
    std::uint64_t bytes = 0;
    std::string label = "ESP";  // at most 11 capitals
    std::uint32_t volume_id = 0;
};

// ErrorKind::invalid for a name that FAT does not hold, or two that differ in case only;
// too_large when the files do not fit, or the place is too small for a FAT32.
Result<void> write_fat32(const Fat32Place& place, const FileTree& tree);

}  // namespace hako::macos
