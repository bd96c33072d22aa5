// The contents of folders in ext4: names in linear blocks, with an index where they take several
// (Linux, fs/ext4/ext4.h).
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

// Blocks of fs->blocksize bytes; their checksums are set when they are written.
struct DirectoryBlocks {
    std::vector<std::string> blocks;
    bool indexed = false;  // for the inode's EXT2_INDEX_FL
};
Result<DirectoryBlocks> directory_blocks(ext2_filsys fs, ext2_ino_t self, ext2_ino_t parent,
                                         const std::vector<DirectoryName>& names);

}  // namespace hako::fsimage::ext4
