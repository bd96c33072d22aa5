// The index of a large folder: which block has the names of which hashes (Linux,
// Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fsimage/ext4/handle.h"

namespace hako::fsimage::ext4 {

struct NameHash {
    std::uint32_t major = 0;  // even
    std::uint32_t minor = 0;
    auto operator<=>(const NameHash&) const = default;
};
// By the file system's hash function and seed.
Result<NameHash> hash_of(ext2_filsys fs, std::string_view name);

// A block of names, all of whose hashes are as large as this or larger. The lowest bit is set where
// the block before ends with names of the same hash.
struct HashLeaf {
    std::uint32_t first_hash = 0;
};

// The blocks that come before the leaves: the root, with "." and "..", and, where one block cannot
// hold all, nodes. nullopt where two levels cannot either (a quarter of a million leaves).
std::optional<std::vector<std::string>> index_blocks(ext2_filsys fs, ext2_ino_t self,
                                                     ext2_ino_t parent,
                                                     const std::vector<HashLeaf>& leaves);

}  // namespace hako::fsimage::ext4
