#include "fsimage/ext4/directory.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "fsimage/ext4/hash_tree.h"

namespace hako::fsimage::ext4 {
namespace {

constexpr std::size_t kNameOffset = 8;  // inode, length of the record, length of the name, type

int file_type(EntryType type) {
    switch (type) {
        case EntryType::directory: return EXT2_FT_DIR;
        case EntryType::symlink: return EXT2_FT_SYMLINK;
        case EntryType::character_device: return EXT2_FT_CHRDEV;
        case EntryType::block_device: return EXT2_FT_BLKDEV;
        case EntryType::fifo: return EXT2_FT_FIFO;
        default: return EXT2_FT_REG_FILE;
    }
}

class BlockPacker {
public:
    explicit BlockPacker(ext2_filsys fs)
        : fs_(fs), room_(fs->blocksize - sizeof(ext2_dir_entry_tail)) {}

    Result<void> add(std::string_view name, ext2_ino_t inode, EntryType type) {
        const std::size_t need = (kNameOffset + name.size() + 3) / 4 * 4;
        if (blocks_.empty() || used_ + need > room_) HAKO_CHECK(begin_block());
        last_ = used_;
        auto* const entry = at(last_);
        entry->inode = inode;
        ext2fs_dirent_set_name_len(entry, static_cast<int>(name.size()));
        ext2fs_dirent_set_file_type(entry, file_type(type));
        name.copy(entry->name, name.size());
        used_ += need;
        return check(ext2fs_set_rec_len(fs_, static_cast<unsigned>(need), entry), "write a name");
    }
    std::size_t blocks() const { return blocks_.size(); }
    Result<std::vector<std::string>> finish() {
        HAKO_CHECK(end_block());
        return std::move(blocks_);
    }

private:
    ext2_dir_entry* at(std::size_t offset) {
        return reinterpret_cast<ext2_dir_entry*>(blocks_.back().data() + offset);
    }
    Result<void> begin_block() {
        if (!blocks_.empty()) HAKO_CHECK(end_block());
        blocks_.emplace_back(fs_->blocksize, '\0');
        ext2fs_initialize_dirent_tail(fs_, EXT2_DIRENT_TAIL(blocks_.back().data(), fs_->blocksize));
        used_ = 0;
        return {};
    }
    // The last record reaches to the end.
    Result<void> end_block() {
        return check(ext2fs_set_rec_len(fs_, static_cast<unsigned>(room_ - last_), at(last_)),
                     "write a folder");
    }

    ext2_filsys fs_;
    std::size_t room_;
    std::vector<std::string> blocks_;
    std::size_t used_ = 0;
    std::size_t last_ = 0;
};

Result<std::vector<std::string>> linear_blocks(ext2_filsys fs, ext2_ino_t self, ext2_ino_t parent,
                                               const std::vector<DirectoryName>& names) {
    BlockPacker packer(fs);
    HAKO_CHECK(packer.add(".", self, EntryType::directory));
    HAKO_CHECK(packer.add("..", parent, EntryType::directory));
    for (const DirectoryName& name : names)
        HAKO_CHECK(packer.add(name.name, name.inode, name.type));
    return packer.finish();
}

struct HashedName {
    NameHash hash;
    const DirectoryName* name;
};

Result<std::vector<HashedName>> in_order_of_hashes(ext2_filsys fs,
                                                   const std::vector<DirectoryName>& names) {
    std::vector<HashedName> hashed;
    hashed.reserve(names.size());
    for (const DirectoryName& name : names) {
        HAKO_TRY(const NameHash hash, hash_of(fs, name.name));
        hashed.push_back({hash, &name});
    }
    std::ranges::sort(hashed, [](const HashedName& a, const HashedName& b) {
        return std::tie(a.hash, a.name->name) < std::tie(b.hash, b.name->name);
    });
    return hashed;
}

// nullopt: too many names for an index.
Result<std::optional<std::vector<std::string>>> indexed_blocks(
    ext2_filsys fs, ext2_ino_t self, ext2_ino_t parent, const std::vector<DirectoryName>& names) {
    HAKO_TRY(const auto hashed, in_order_of_hashes(fs, names));
    BlockPacker packer(fs);
    std::vector<HashLeaf> leaves;
    std::uint32_t last_hash = 0;
    for (const auto& [hash, name] : hashed) {
        HAKO_CHECK(packer.add(name->name, name->inode, name->type));
        if (packer.blocks() > leaves.size()) {
            const bool continued = !leaves.empty() && hash.major == last_hash;
            leaves.push_back({hash.major | (continued ? 1U : 0U)});
        }
        last_hash = hash.major;
    }
    HAKO_TRY(auto names_of_leaves, packer.finish());
    auto blocks = index_blocks(fs, self, parent, leaves);
    if (blocks) std::ranges::move(names_of_leaves, std::back_inserter(*blocks));
    return blocks;
}

}  // namespace

Result<DirectoryBlocks> directory_blocks(ext2_filsys fs, ext2_ino_t self, ext2_ino_t parent,
                                         const std::vector<DirectoryName>& names) {
    HAKO_TRY(auto linear, linear_blocks(fs, self, parent, names));
    if (linear.size() == 1) return DirectoryBlocks{std::move(linear)};
    HAKO_TRY(auto indexed, indexed_blocks(fs, self, parent, names));
    if (!indexed) return DirectoryBlocks{std::move(linear)};
    return DirectoryBlocks{*std::move(indexed), true};
}

}  // namespace hako::fsimage::ext4
