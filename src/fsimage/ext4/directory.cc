#include "fsimage/ext4/directory.h"

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

}  // namespace

Result<std::vector<std::string>> directory_blocks(ext2_filsys fs, ext2_ino_t self,
                                                  ext2_ino_t parent,
                                                  const std::vector<DirectoryName>& names) {
    BlockPacker packer(fs);
    HAKO_CHECK(packer.add(".", self, EntryType::directory));
    HAKO_CHECK(packer.add("..", parent, EntryType::directory));
    for (const DirectoryName& name : names)
        HAKO_CHECK(packer.add(name.name, name.inode, name.type));
    return packer.finish();
}

}  // namespace hako::fsimage::ext4
