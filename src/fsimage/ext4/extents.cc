#include "fsimage/ext4/extents.h"

#include <algorithm>
#include <cstring>

namespace hako::fsimage::ext4 {
namespace {

constexpr std::uint64_t kLongestExtent = 32768;  // blocks

struct FreeExtents {
    void operator()(ext2_extent_handle* handle) const { ext2fs_extent_free(handle); }
};

}  // namespace

Result<Allocator::Run> Allocator::take(std::uint64_t count) {
    blk64_t first = 0;
    blk64_t found = 0;
    HAKO_CHECK(check(ext2fs_new_range(fs_, 0, goal_, count, nullptr, &first, &found),
                     "find room on the disk"));
    ext2fs_block_alloc_stats_range(fs_, first, static_cast<blk_t>(found), +1);
    goal_ = first + found;
    return Run{first, found};
}

void ExtentList::add(const Extent& extent) {
    blocks_ += extent.count;
    if (!extents_.empty()) {
        Extent& last = extents_.back();
        if (last.logical + last.count == extent.logical &&
            last.physical + last.count == extent.physical &&
            last.count + extent.count <= kLongestExtent) {
            last.count += extent.count;
            return;
        }
    }
    extents_.push_back(extent);
}

Result<void> ExtentList::write(ext2_filsys fs, ext2_ino_t number, ext2_inode_large& inode) const {
    auto* const base = reinterpret_cast<ext2_inode*>(&inode);
    inode.i_flags |= EXT4_EXTENTS_FL;
    std::memset(inode.i_block, 0, sizeof inode.i_block);
    HAKO_CHECK(check(ext2fs_iblk_set(fs, base, blocks_), "count blocks"));
    // An empty tree; opening it makes its header.
    ext2_extent_handle* raw = nullptr;
    HAKO_CHECK(check(ext2fs_extent_open2(fs, number, base, &raw), "begin an inode's extents"));
    const std::unique_ptr<ext2_extent_handle, FreeExtents> handle(raw);
    HAKO_CHECK(check(ext2fs_write_inode_full(fs, number, base, sizeof inode), "write an inode"));
    for (const Extent& extent : extents_) {
        ext2fs_extent generic{};
        generic.e_lblk = extent.logical;
        generic.e_pblk = extent.physical;
        generic.e_len = static_cast<__u32>(extent.count);
        HAKO_CHECK(check(ext2fs_extent_insert(raw, EXT2_EXTENT_INSERT_AFTER, &generic),
                         "write an inode's extents"));
    }
    return {};
}

Result<void> extend(Allocator& allocator, ExtentList& extents, std::uint64_t logical,
                    std::uint64_t count, const std::function<Result<void>(const Extent&)>& fill) {
    while (count > 0) {
        HAKO_TRY(const auto run, allocator.take(std::min(count, kLongestExtent)));
        const Extent extent{logical, run.first, run.count};
        HAKO_CHECK(fill(extent));
        extents.add(extent);
        logical += run.count;
        count -= run.count;
    }
    return {};
}

}  // namespace hako::fsimage::ext4
