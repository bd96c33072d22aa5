// Where the contents of one inode lie.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fsimage/ext4/handle.h"

namespace hako::fsimage::ext4 {

// Blocks in a row, in the file and on the disk alike.
struct Extent {
    std::uint64_t logical;
    std::uint64_t physical;
    std::uint64_t count;
};

// Takes blocks from the file system, one after another.
class Allocator {
public:
    explicit Allocator(ext2_filsys fs) : fs_(fs) {}

    // Up to `count` free blocks in a row, marked as used: {first, how many}.
    struct Run {
        std::uint64_t first;
        std::uint64_t count;
    };
    Result<Run> take(std::uint64_t count);

private:
    ext2_filsys fs_;
    std::uint64_t goal_ = 0;
};

// Of one inode, in rising order.
class ExtentList {
public:
    // Appended, or joined to the last where both lie in a row.
    void add(const Extent& extent);
    std::uint64_t blocks() const { return blocks_; }
    const std::vector<Extent>& all() const { return extents_; }

    // Writes the inode with these as its contents: i_block, i_blocks and the flag.
    Result<void> write(ext2_filsys fs, ext2_ino_t number, ext2_inode_large& inode) const;

private:
    std::vector<Extent> extents_;
    std::uint64_t blocks_ = 0;
};

// Allocates `count` blocks that hold `logical` on; calls `fill` for each run.
Result<void> extend(Allocator& allocator, ExtentList& extents, std::uint64_t logical,
                    std::uint64_t count, const std::function<Result<void>(const Extent&)>& fill);

}  // namespace hako::fsimage::ext4
