// The contents of folders in ext4: names in linear blocks (Linux, fs/ext4/ext4.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fsimage/ext4/handle.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage::ext4 {

struct DirectoryName {
    std::string name;
    ext2_ino_t inode;
    EntryType type;
};

// Blocks of fs->blocksize bytes, "." and ".." first; their checksums are set when they are written.
Result<std::vector<std::string>> directory_blocks(ext2_filsys fs, ext2_ino_t self,
                                                  ext2_ino_t parent,
                                                  const std::vector<DirectoryName>& names);

}  // namespace hako::fsimage::ext4
