#include "fsimage/ext4/writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/fd.h"
#include "base/units.h"
#include "fsimage/ext4/create.h"
#include "fsimage/ext4/directory.h"
#include "fsimage/ext4/extents.h"
#include "fsimage/inode_mode.h"
#include "fsimage/layer_path.h"
#include "fsimage/output_file.h"
#include "fsimage/tar/reader.h"

namespace hako::fsimage {
namespace ext4 {
namespace {

constexpr std::size_t kBufferBlocks = 256;
constexpr std::uint16_t kMaxLinks = 65000;

bool is_zero(std::span<const std::byte> data) {
    return data[0] == std::byte{0} &&
           std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

ext2_inode_large make_inode(const TarEntry& entry) {
    ext2_inode_large inode{};
    inode.i_mode = static_cast<__u16>(mode_type(entry.type) | entry.mode);
    inode.i_uid = static_cast<__u16>(entry.uid);
    inode.osd2.linux2.l_i_uid_high = static_cast<__u16>(entry.uid >> 16U);
    inode.i_gid = static_cast<__u16>(entry.gid);
    inode.osd2.linux2.l_i_gid_high = static_cast<__u16>(entry.gid >> 16U);
    inode.i_links_count = 1;
    inode.i_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
    const InodeTime time = encode_time(entry.mtime);
    inode.i_atime = inode.i_ctime = inode.i_mtime = inode.i_crtime = time.seconds;
    inode.i_atime_extra = inode.i_ctime_extra = inode.i_mtime_extra = inode.i_crtime_extra =
        time.extra;
    return inode;
}

// Fills one new file system from one tar.
class TreeWriter {
public:
    TreeWriter(ext2_filsys fs, int disk) : fs_(fs), disk_(disk), allocator_(fs) {
        folders_[EXT2_ROOT_INO] = {.parent = EXT2_ROOT_INO};
        paths_ = {{"", EXT2_ROOT_INO}};
    }

    Result<void> run(TarReader& tar) {
        for (;;) {
            HAKO_TRY(const auto entry, tar.next());
            if (!entry) break;
            HAKO_CHECK(with_context(add(*entry, tar), entry->path));
        }
        HAKO_CHECK(tar.drain());
        for (const auto& [number, folder] : folders_) HAKO_CHECK(write_folder(number, folder));
        return {};
    }

private:
    struct Folder {
        ext2_ino_t parent = 0;
        ext2_inode_large inode = make_inode({.type = EntryType::directory, .mode = 0755});
        std::vector<DirectoryName> names = {};
        std::map<std::string, std::string> xattrs = {};
    };

    Result<void> add(const TarEntry& entry, TarReader& tar) {
        HAKO_TRY(const std::string path, normalize_path(entry.path));
        if (const auto known = paths_.find(path); known != paths_.end()) {
            // The root is there already.
            if (known->second != EXT2_ROOT_INO || entry.type != EntryType::directory)
                return fail(ErrorKind::invalid, "the name is there already");
            Folder& folder = folders_[known->second];
            folder.inode = make_inode(entry);
            folder.xattrs = entry.xattrs;
            return {};
        }
        const auto [parent, name] = split_path(path);
        const auto parent_inode = paths_.find(std::string(parent));
        if (parent_inode == paths_.end() || !folders_.contains(parent_inode->second))
            return fail(ErrorKind::invalid, "its folder does not come before it");
        auto& names = folders_[parent_inode->second].names;
        if (entry.type == EntryType::hardlink) return add_link(path, name, entry, names);
        HAKO_TRY(const ext2_ino_t number, new_inode(entry.type));
        paths_.emplace(path, number);
        names.push_back({std::string(name), number, entry.type});
        if (entry.type == EntryType::directory) {
            folders_[number] = {parent_inode->second, make_inode(entry), {}, entry.xattrs};
            return {};
        }
        HAKO_CHECK(write_file(number, entry, tar));
        return write_xattrs(number, entry.xattrs);
    }

    Result<void> add_link(const std::string& path, std::string_view name, const TarEntry& entry,
                          std::vector<DirectoryName>& names) {
        HAKO_TRY(const std::string target, normalize_path(entry.link));
        const auto found = paths_.find(target);
        if (found == paths_.end() || folders_.contains(found->second))
            return fail(ErrorKind::invalid, "it is a hard link to {}, which is no file before it",
                        target);
        const ext2_ino_t number = found->second;
        ext2_inode_large inode{};
        HAKO_CHECK(read_inode(number, inode));
        if (inode.i_links_count == kMaxLinks)
            return fail(ErrorKind::unimplemented, "{} has more than {} names, ext4's limit", target,
                        kMaxLinks);
        ++inode.i_links_count;
        HAKO_CHECK(write_inode(number, inode));
        paths_.emplace(path, number);
        names.push_back({std::string(name), number, *entry_type(inode.i_mode)});
        return {};
    }

    Result<ext2_ino_t> new_inode(EntryType type) {
        const ext2_ino_t number = next_inode_++;
        if (number > fs_->super->s_inodes_count)
            return fail(ErrorKind::exhausted, "the disk has inodes for {} files only",
                        fs_->super->s_inodes_count);
        ext2fs_inode_alloc_stats2(fs_, number, +1, type == EntryType::directory ? 1 : 0);
        return number;
    }
    Result<void> read_inode(ext2_ino_t number, ext2_inode_large& inode) {
        return check(ext2fs_read_inode_full(fs_, number, reinterpret_cast<ext2_inode*>(&inode),
                                            sizeof inode),
                     "read an inode");
    }
    Result<void> write_inode(ext2_ino_t number, ext2_inode_large& inode) {
        return check(ext2fs_write_inode_full(fs_, number, reinterpret_cast<ext2_inode*>(&inode),
                                             sizeof inode),
                     "write an inode");
    }

    Result<void> write_file(ext2_ino_t number, const TarEntry& entry, TarReader& tar) {
        ext2_inode_large inode = make_inode(entry);
        if (entry.type == EntryType::file) {
            ExtentList extents;
            HAKO_CHECK(copy_contents(tar, extents));
            inode.i_size = static_cast<__u32>(entry.size);
            inode.i_size_high = static_cast<__u32>(entry.size >> 32U);
            return extents.write(fs_, number, inode);
        }
        if (entry.type == EntryType::symlink) return write_link(number, inode, entry.link);
        if (entry.type != EntryType::fifo)
            inode.i_block[1] = encode_device(entry.major, entry.minor);
        return write_inode(number, inode);
    }

    Result<void> write_link(ext2_ino_t number, ext2_inode_large& inode, const std::string& target) {
        inode.i_size = static_cast<__u32>(target.size());
        if (target.size() < sizeof inode.i_block) {
            target.copy(reinterpret_cast<char*>(inode.i_block), target.size());
            return write_inode(number, inode);
        }
        ExtentList extents;
        std::string block = target;
        block.resize(kBlock);
        HAKO_CHECK(put(extents, 0, as_bytes(block)));
        return extents.write(fs_, number, inode);
    }

    // Gathers pieces into whole blocks.
    Result<void> copy_contents(TarReader& tar, ExtentList& extents) {
        std::uint64_t first = 0;  // block that the buffer begins with
        std::size_t filled = 0;   // bytes of the buffer in use
        const auto flush = [&]() -> Result<void> {
            const std::size_t blocks = (filled + kBlock - 1) / kBlock;
            std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(filled),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(blocks * kBlock), std::byte{0});
            HAKO_CHECK(put(extents, first, std::span(buffer_).first(blocks * kBlock)));
            first += blocks;
            filled = 0;
            return {};
        };
        for (;;) {
            HAKO_TRY(auto piece, tar.next_piece());
            if (!piece) return flush();
            const std::uint64_t at = first * kBlock + filled;
            if (piece->offset / kBlock > at / kBlock) {  // behind a hole
                HAKO_CHECK(flush());
                first = piece->offset / kBlock;
            }
            const std::size_t offset = static_cast<std::size_t>(piece->offset - first * kBlock);
            if (offset > filled)
                std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(filled),
                          buffer_.begin() + static_cast<std::ptrdiff_t>(offset), std::byte{0});
            filled = offset;
            while (!piece->bytes.empty()) {
                const std::size_t count = std::min(piece->bytes.size(), buffer_.size() - filled);
                std::ranges::copy(piece->bytes.first(count),
                                  buffer_.begin() + static_cast<std::ptrdiff_t>(filled));
                filled += count;
                piece->bytes = piece->bytes.subspan(count);
                if (filled == buffer_.size()) HAKO_CHECK(flush());
            }
        }
    }

    // Whole blocks; those of zeros are left out.
    Result<void> put(ExtentList& extents, std::uint64_t logical, std::span<const std::byte> data) {
        const auto zero = [&](std::size_t block) {
            return is_zero(data.subspan(block * kBlock, kBlock));
        };
        const std::size_t blocks = data.size() / kBlock;
        for (std::size_t begin = 0; begin < blocks;) {
            if (zero(begin)) {
                ++begin;
                continue;
            }
            std::size_t end = begin + 1;
            while (end < blocks && !zero(end)) ++end;
            HAKO_CHECK(extend(
                allocator_, extents, logical + begin, end - begin, [&](const Extent& extent) {
                    return write_at(
                        disk_, extent.physical * kBlock,
                        data.subspan((extent.logical - logical) * kBlock, extent.count * kBlock));
                }));
            begin = end;
        }
        return {};
    }

    Result<void> write_xattrs(ext2_ino_t number, const std::map<std::string, std::string>& xattrs) {
        if (xattrs.empty()) return {};
        HAKO_TRY(const Xattrs handle, open_xattrs(fs_, number));
        for (const auto& [name, value] : xattrs) {
            HAKO_CHECK(
                check(ext2fs_xattr_set(handle.get(), name.c_str(), value.data(), value.size()),
                      fmt::format("keep the extended attribute {}", name)));
        }
        return {};
    }

    Result<void> write_folder(ext2_ino_t number, const Folder& folder) {
        HAKO_TRY(const auto contents, directory_blocks(fs_, number, folder.parent, folder.names));
        const auto& blocks = contents.blocks;
        ExtentList extents;
        std::size_t done = 0;
        const auto fill = [&](const Extent& extent) -> Result<void> {
            for (std::uint64_t i = 0; i < extent.count; ++i) {
                HAKO_CHECK(check(
                    ext2fs_write_dir_block4(fs_, extent.physical + i,
                                            const_cast<char*>(blocks[done++].data()), 0, number),
                    "write a folder"));
            }
            return {};
        };
        if (number == EXT2_ROOT_INO) {
            blk64_t block = 0;
            HAKO_CHECK(check(ext2fs_bmap2(fs_, number, nullptr, nullptr, 0, 0, nullptr, &block),
                             "find a folder"));
            const Extent extent{0, block, 1};
            HAKO_CHECK(fill(extent));
            extents.add(extent);
        }
        HAKO_CHECK(extend(allocator_, extents, done, blocks.size() - done, fill));
        ext2_inode_large inode = folder.inode;
        const std::size_t size = blocks.size() * kBlock;
        inode.i_size = static_cast<__u32>(size);
        inode.i_size_high = static_cast<__u32>(std::uint64_t{size} >> 32U);
        if (contents.indexed) inode.i_flags |= EXT2_INDEX_FL;
        const auto links =
            2 + std::ranges::count(folder.names, EntryType::directory, &DirectoryName::type);
        // 1: more than can be counted (dir_nlink).
        inode.i_links_count = static_cast<__u16>(links < kMaxLinks ? links : 1);
        HAKO_CHECK(extents.write(fs_, number, inode));
        return write_xattrs(number, folder.xattrs);
    }

    ext2_filsys fs_;
    int disk_;
    Allocator allocator_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferBlocks * kBlock);
    ext2_ino_t next_inode_ = EXT2_GOOD_OLD_FIRST_INO;
    std::unordered_map<std::string, ext2_ino_t> paths_;
    std::map<ext2_ino_t, Folder> folders_;  // in order, so that the same tar lies the same way
};

Result<void> fill(Handle fs, const std::filesystem::path& path, Reader& source) {
    HAKO_TRY(const Fd disk, open_file(path, O_WRONLY));
    TarReader tar(source);
    HAKO_CHECK(TreeWriter(fs.get(), disk.get()).run(tar));
    return close(std::move(fs));
}

}  // namespace
}  // namespace ext4

Result<void> write_ext4(Reader& tar, const std::filesystem::path& path,
                        const Ext4Options& options) {
    HAKO_TRY(ext4::Handle fs, ext4::create(path, options));
    auto filled = ext4::fill(std::move(fs), path, tar);
    if (!filled) ::unlink(path.c_str());
    if (!filled && filled.error().kind() == ErrorKind::exhausted)
        return fail(std::move(filled).error().context(
            fmt::format("the image does not fit on {} (give a larger size)", path.string())));
    return with_context(std::move(filled), fmt::format("cannot write {}", path.string()));
}

std::uint64_t ext4_size_for(std::uint64_t inodes, std::uint64_t content_bytes) {
    constexpr std::uint64_t kInodeBytes = 256;
    constexpr std::uint64_t kAlways = 32 * kMiB;  // journal, descriptors, a little room
    const std::uint64_t used = content_bytes + inodes * (kInodeBytes + ext4::kBlock / 4);
    return (used + used / 4 + kAlways + kMiB - 1) / kMiB * kMiB;
}

}  // namespace hako::fsimage
