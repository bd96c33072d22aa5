#include "fsimage/erofs/layout.h"

#include <algorithm>

#include "fsimage/blob_writer.h"
#include "fsimage/erofs/format.h"
#include "fsimage/erofs/xattr.h"

namespace hako::fsimage::erofs {
namespace {

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

class LayoutMaker {
public:
    explicit LayoutMaker(const Tree& tree) : tree_(tree) {}

    Result<Layout> run() {
        layout_.placements.resize(tree_.inodes());
        collect_directories();
        HAKO_CHECK(place(tree_.node(Tree::kRoot).inode));
        for (const DirectoryRange& directory : layout_.directories) {
            for (const Child& child : layout_.children_of(directory))
                HAKO_CHECK(place(tree_.node(child.node).inode));
        }
        layout_.inode_blocks = block_count(position_);
        layout_.blocks = layout_.inode_blocks + blocks_;
        return std::move(layout_);
    }

private:
    // Breadth-first; counts the links on the way.
    void collect_directories() {
        layout_.directories.push_back({.node = Tree::kRoot});
        for (std::size_t i = 0; i < layout_.directories.size(); ++i) {
            DirectoryRange range = layout_.directories[i];
            collect_children(range);
            layout_.directories[i] = range;
        }
    }

    void collect_children(DirectoryRange& range) {
        auto& children = layout_.children;
        const Node& directory = tree_.node(range.node);
        range.first = children.size();
        children.push_back({".", range.node});
        children.push_back({"..", directory.parent});
        for (NodeId id = directory.first_child; id != kNoNode; id = tree_.node(id).next)
            children.push_back({tree_.node(id).name, id});
        range.count = children.size() - range.first;
        std::sort(children.begin() + static_cast<std::ptrdiff_t>(range.first), children.end(),
                  [](const Child& a, const Child& b) { return a.name < b.name; });

        DirectoryPacker packer;
        for (std::size_t i = range.first; i < children.size(); ++i) {
            const Child child = children[i];
            packer.add(child.name);
            const InodeId inode = tree_.node(child.node).inode;
            layout_.placements[inode].links += 1;
            const bool special = child.name == "." || child.name == "..";
            if (!special && tree_.inode(inode).type == EntryType::directory)
                layout_.directories.push_back({.node = child.node});
        }
        layout_.placements[directory.inode].size = packer.size();
    }

    Result<void> place(InodeId id) {
        Placement& placement = layout_.placements[id];
        if (placement.position != 0) return {};  // a further hard link, "." or ".."
        const Inode& inode = tree_.inode(id);
        HAKO_TRY(placement.xattr_bytes, xattr_size(inode.xattrs));
        std::uint64_t length = sizeof(InodeRecord) + placement.xattr_bytes;
        std::uint64_t unbroken = sizeof(InodeRecord);  // what may not cross a block's border
        if (inode.type == EntryType::file) placement.size = inode.size;
        else if (inode.type == EntryType::symlink) placement.size = inode.link.size();
        if (inode.type == EntryType::directory || inode.type == EntryType::symlink) {
            const std::uint64_t tail = placement.size % kBlockSize;
            placement.inline_tail = tail > 0 && length + tail <= kBlockSize;
            if (placement.inline_tail) unbroken = length += tail;
            placement.block = static_cast<std::uint32_t>(blocks_);
            blocks_ +=
                placement.inline_tail ? placement.size / kBlockSize : block_count(placement.size);
        }
        if (position_ % kBlockSize + unbroken > kBlockSize)
            position_ = round_up(position_, kBlockSize);
        placement.position = position_;
        position_ = round_up(position_ + length, kSlotSize);
        layout_.order.push_back(id);
        return {};
    }

    const Tree& tree_;
    Layout layout_;
    std::uint64_t position_ = kSuperOffset + sizeof(SuperBlock);
    std::uint64_t blocks_ = 0;  // of directories and symlinks that do not fit behind their inodes
};

}  // namespace

bool DirectoryPacker::add(std::string_view name) {
    const std::uint64_t need = sizeof(DirectoryRecord) + name.size();
    const bool begins = size_ % kBlockSize == 0 || size_ % kBlockSize + need > kBlockSize;
    if (begins) size_ = round_up(size_, kBlockSize);
    size_ += need;
    return begins;
}

Result<Layout> make_layout(const Tree& tree) { return LayoutMaker(tree).run(); }

}  // namespace hako::fsimage::erofs
