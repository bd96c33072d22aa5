#include "fsimage/erofs/writer.h"

#include <isa-l/crc.h>

#include <cstring>
#include <string_view>

#include "fsimage/blob_writer.h"
#include "fsimage/erofs/format.h"
#include "fsimage/erofs/layout.h"
#include "fsimage/erofs/xattr.h"
#include "fsimage/inode_mode.h"

namespace hako::fsimage::erofs {
namespace {

std::uint8_t directory_type(EntryType type) {
    switch (type) {
        case EntryType::directory: return 2;
        case EntryType::character_device: return 3;
        case EntryType::block_device: return 4;
        case EntryType::fifo: return 5;
        case EntryType::symlink: return 7;
        default: return 1;
    }
}

class MetadataWriter {
public:
    MetadataWriter(const Tree& tree, const Layout& layout, const ImageOptions& options)
        : tree_(tree), layout_(layout), options_(options), image_(layout.blocks * kBlockSize) {}

    Result<std::vector<std::byte>> run() {
        HAKO_CHECK(place_blobs());
        std::uint32_t number = 0;
        for (const InodeId id : layout_.order) write_inode(id, ++number);
        for (const DirectoryRange& directory : layout_.directories) write_directory(directory);
        write_super_block();
        return std::move(image_);
    }

private:
    Result<void> place_blobs() {
        total_blocks_ = layout_.blocks;
        for (const std::uint64_t blocks : options_.blob_blocks) {
            blob_starts_.push_back(total_blocks_);
            total_blocks_ += blocks;
            if (total_blocks_ > kMaxBlocks)
                return fail(ErrorKind::too_large, "the image is larger than 16 TiB");
        }
        for (const InodeId id : layout_.order) {
            const Inode& inode = tree_.inode(id);
            if (inode.type == EntryType::file && !is_within_blob(inode))
                return fail(ErrorKind::corrupt,
                            "a layer index points past its data: pull the image again");
        }
        return {};
    }

    bool is_within_blob(const Inode& inode) const {
        const std::uint64_t blocks = options_.blob_blocks[inode.layer];
        return inode.block <= blocks && block_count(inode.size) <= blocks - inode.block;
    }

    std::uint32_t block_of(const Inode& inode, const Placement& placement) const {
        switch (inode.type) {
            case EntryType::file:
                if (inode.size == 0) return 0;
                return static_cast<std::uint32_t>(blob_starts_[inode.layer] + inode.block);
            case EntryType::character_device:
            case EntryType::block_device: return encode_device(inode.major, inode.minor);
            case EntryType::directory:
            case EntryType::symlink:
                return static_cast<std::uint32_t>(layout_.inode_blocks + placement.block);
            default: return 0;
        }
    }

    void write_inode(InodeId id, std::uint32_t number) {
        const Inode& inode = tree_.inode(id);
        const Placement& placement = layout_.placements[id];
        InodeRecord record{};
        record.format =
            inode_format(placement.inline_tail ? DataLayout::inline_tail : DataLayout::plain);
        record.xattr_count = xattr_count(placement.xattr_bytes);
        record.mode = static_cast<std::uint16_t>(mode_type(inode.type) | (inode.mode & 07777U));
        record.size = placement.size;
        record.raw_block = block_of(inode, placement);
        record.number = number;
        record.uid = inode.uid;
        record.gid = inode.gid;
        record.mtime = inode.mtime.seconds;
        record.mtime_nsec = inode.mtime.nanoseconds;
        record.links = placement.links;
        std::byte* const at = image_.data() + placement.position;
        std::memcpy(at, &record, sizeof record);
        write_xattrs(inode.xattrs, {at + sizeof record, placement.xattr_bytes});
        if (inode.type == EntryType::symlink) {
            const auto target = std::as_bytes(std::span(inode.link));
            std::memcpy(content(placement, 0), target.data(), target.size());
        }
    }

    // Where block `index` of a directory's or symlink's contents goes: the last may be inline.
    std::byte* content(const Placement& placement, std::uint64_t index) {
        if (placement.inline_tail && index == placement.size / kBlockSize)
            return image_.data() + placement.position + sizeof(InodeRecord) + placement.xattr_bytes;
        return image_.data() + (layout_.inode_blocks + placement.block + index) * kBlockSize;
    }

    void write_directory(const DirectoryRange& directory) {
        const Placement& placement = layout_.placements[tree_.node(directory.node).inode];
        const std::span<const Child> children = layout_.children_of(directory);
        DirectoryPacker packer;
        std::size_t first = 0;
        std::uint64_t block = 0;
        for (std::size_t i = 0; i < children.size(); ++i) {
            if (!packer.add(children[i].name) || i == 0) continue;
            write_directory_block(children.subspan(first, i - first), content(placement, block));
            first = i;
            ++block;
        }
        write_directory_block(children.subspan(first), content(placement, block));
    }

    void write_directory_block(std::span<const Child> children, std::byte* at) {
        std::size_t name_offset = children.size() * sizeof(DirectoryRecord);
        std::byte* slot = at;
        for (const Child& child : children) {
            const InodeId inode = tree_.node(child.node).inode;
            const DirectoryRecord record{layout_.placements[inode].position / kSlotSize,
                                         static_cast<std::uint16_t>(name_offset),
                                         directory_type(tree_.inode(inode).type), 0};
            std::memcpy(slot, &record, sizeof record);
            std::memcpy(at + name_offset, child.name.data(), child.name.size());
            slot += sizeof record;
            name_offset += child.name.size();
        }
    }

    void write_super_block() {
        constexpr std::string_view kVolumeName = "hako";
        const Placement& root = layout_.placements[tree_.node(Tree::kRoot).inode];
        SuperBlock super{};
        super.magic = kMagic;
        super.feature_compat = kCompatChecksum | kCompatMtime;
        super.block_bits = kBlockBits;
        // The root is the first inode: its number fits into 16 bits.
        super.root_nid = static_cast<std::uint16_t>(root.position / kSlotSize);
        super.inodes = layout_.order.size();
        super.blocks = static_cast<std::uint32_t>(total_blocks_);
        super.uuid = options_.uuid;
        kVolumeName.copy(super.volume_name.data(), super.volume_name.size());
        std::byte* const at = image_.data() + kSuperOffset;
        std::memcpy(at, &super, sizeof super);
        super.checksum = crc32_iscsi(reinterpret_cast<unsigned char*>(at),
                                     static_cast<int>(kBlockSize - kSuperOffset), ~0U);
        std::memcpy(at, &super, sizeof super);
    }

    const Tree& tree_;
    const Layout& layout_;
    const ImageOptions& options_;
    std::vector<std::byte> image_;
    std::vector<std::uint64_t> blob_starts_;
    std::uint64_t total_blocks_ = 0;
};

}  // namespace

Result<std::vector<std::byte>> write_metadata(const Tree& tree, const ImageOptions& options) {
    HAKO_TRY(const Layout layout, make_layout(tree));
    return MetadataWriter(tree, layout, options).run();
}

}  // namespace hako::fsimage::erofs
