// Decides where everything lies in a metadata image, before a byte of it is written.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fsimage/tree.h"

namespace hako::fsimage::erofs {

// Where an inode lies, and what is known of it only when the whole tree is.
struct Placement {
    std::uint64_t position = 0;  // in the image, in bytes; 0: not placed
    std::uint64_t size = 0;      // of its contents
    std::uint32_t xattr_bytes = 0;
    std::uint32_t links = 0;
    std::uint32_t block = 0;  // of contents in the metadata: counted from Layout::inode_blocks
    bool inline_tail = false;
};

struct Child {
    std::string_view name;
    NodeId node = kNoNode;
};

// A directory's names, "." and ".." among them, in the order of their bytes.
struct DirectoryRange {
    NodeId node = kNoNode;
    std::size_t first = 0;  // in Layout::children
    std::size_t count = 0;
};

struct Layout {
    std::vector<Placement> placements;  // by InodeId
    std::vector<InodeId> order;         // as they lie in the image, the root first
    std::vector<DirectoryRange> directories;
    std::vector<Child> children;
    std::uint64_t inode_blocks = 0;  // of the superblock and the inodes
    std::uint64_t blocks = 0;        // of all metadata

    std::span<const Child> children_of(const DirectoryRange& directory) const {
        return std::span(children).subspan(directory.first, directory.count);
    }
};

// Inodes lie breadth-first, those of one directory together in the order of their names.
Result<Layout> make_layout(const Tree& tree);

// Cuts a directory's names, given in order, into blocks: a block holds a record for each of its
// names, then the names.
class DirectoryPacker {
public:
    // Takes one more name; true when it begins a new block.
    bool add(std::string_view name);
    // Bytes so far: whole blocks, and what the last one uses.
    std::uint64_t size() const { return size_; }

private:
    std::uint64_t size_ = 0;
};

}  // namespace hako::fsimage::erofs
