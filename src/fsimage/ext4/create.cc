#include "fsimage/ext4/create.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "base/units.h"

namespace hako::fsimage::ext4 {
namespace {

constexpr std::uint64_t kSmallest = 8 * kMiB;
constexpr std::uint64_t kBytesPerInode = 16 * kKiB;  // as mke2fs has it
constexpr std::size_t kMaxLabel = 16;

// A 64th of the disk, 4 to 64 MiB: a container's disk is not a file server's.
std::uint64_t journal_blocks(const Ext4Options& options) {
    if (options.journal) return *options.journal / kBlock;
    return std::clamp<std::uint64_t>(options.size / kBlock / 64, 1024, 16384);
}

// What the filesystem is to be: the features of a modern mke2fs. Without a resize inode: with
// 64bit the kernel grows it by meta_bg.
ext2_super_block parameters(const Ext4Options& options) {
    const std::uint64_t blocks = options.size / kBlock;
    const std::uint64_t inodes = std::max(options.inodes, blocks * kBlock / kBytesPerInode);
    ext2_super_block wanted{};
    wanted.s_rev_level = EXT2_DYNAMIC_REV;
    wanted.s_log_block_size = 2;
    wanted.s_log_cluster_size = 2;
    wanted.s_inode_size = 256;
    wanted.s_log_groups_per_flex = 4;
    wanted.s_inodes_count = static_cast<__u32>(std::clamp<std::uint64_t>(inodes, 1024, 0xFFFFFF00));
    ext2fs_blocks_count_set(&wanted, blocks);
    wanted.s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX;
    wanted.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                                EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
    wanted.s_feature_ro_compat =
        EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
        EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
        EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
        (options.checksums ? EXT4_FEATURE_RO_COMPAT_METADATA_CSUM
                           : EXT4_FEATURE_RO_COMPAT_GDT_CSUM);
    return wanted;
}

Result<void> fill_super_block(ext2_filsys fs, const Ext4Options& options) {
    ext2_super_block& super = *fs->super;
    const auto randomize = [](auto& field) {
        return ::getrandom(&field, sizeof field, 0) == static_cast<ssize_t>(sizeof field);
    };
    if (!randomize(super.s_uuid) || !randomize(super.s_hash_seed))
        return fail_errno(errno, "cannot get random numbers");
    super.s_uuid[6] = static_cast<__u8>((super.s_uuid[6] & 0x0FU) | 0x40U);
    super.s_uuid[8] = static_cast<__u8>((super.s_uuid[8] & 0x3FU) | 0x80U);
    if (options.checksums) super.s_checksum_type = EXT2_CRC32C_CHKSUM;
    ext2fs_init_csum_seed(fs);
    super.s_def_hash_version = EXT2_HASH_HALF_MD4;
    super.s_flags |= EXT2_FLAGS_SIGNED_HASH;  // of names with bytes over 127, on every processor
    super.s_max_mnt_count = -1;
    ext2fs_r_blocks_count_set(&super, 0);
    options.label.copy(reinterpret_cast<char*>(super.s_volume_name), kMaxLabel);
    return {};
}

// The file is new, so its holes are the zeros that inode tables want: nobody needs to write them,
// not even the guest's kernel later.
void mark_inode_tables(ext2_filsys fs) {
    for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
        ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
        ext2fs_bg_itable_unused_set(fs, group, fs->super->s_inodes_per_group);
        ext2fs_group_desc_csum_set(fs, group);
    }
}

// What the filesystem itself takes, as Linux counts it when it mounts (ext4_calculate_overhead()).
// Where another number stands here, the kernel writes its own into all superblocks: a dozen reads
// and writes that every first mount of a scratch disk would wait for.
__u32 overhead_blocks(ext2_filsys fs, std::uint64_t journal) {
    constexpr std::uint64_t kBitmaps = 2;  // of blocks and inodes
    std::uint64_t blocks = fs->super->s_first_data_block + journal;
    for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
        blocks += kBitmaps + fs->inode_blocks_per_group;
        if (ext2fs_bg_has_super(fs, group) != 0) blocks += 1 + fs->desc_blocks;
    }
    return static_cast<__u32>(blocks);
}

// ext2fs_mkdir() takes the mode from our umask.
Result<void> make_public(ext2_filsys fs, ext2_ino_t folder) {
    ext2_inode inode{};
    HAKO_CHECK(check(ext2fs_read_inode(fs, folder, &inode), "read a folder"));
    inode.i_mode = LINUX_S_IFDIR | 0755;
    inode.i_uid = 0;
    inode.i_gid = 0;
    return check(ext2fs_write_inode(fs, folder, &inode), "write a folder");
}

Result<ext2_ino_t> find_folder(ext2_filsys fs, const std::string& name) {
    ext2_ino_t folder = 0;
    HAKO_CHECK(check(ext2fs_lookup(fs, EXT2_ROOT_INO, name.c_str(), static_cast<int>(name.size()),
                                   nullptr, &folder),
                     fmt::format("find the folder {}", name)));
    return folder;
}

Result<void> make_folder(ext2_filsys fs, const std::string& name) {
    HAKO_CHECK(check(ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, name.c_str()),
                     fmt::format("make the folder {}", name)));
    HAKO_TRY(const ext2_ino_t folder, find_folder(fs, name));
    return make_public(fs, folder);
}

Result<void> make_file(ext2_filsys fs, const std::string& path) {
    const auto slash = path.find('/');
    const std::string name = path.substr(slash + 1);
    HAKO_TRY(const ext2_ino_t folder, find_folder(fs, path.substr(0, slash)));
    ext2_ino_t number = 0;
    HAKO_CHECK(check(ext2fs_new_inode(fs, folder, LINUX_S_IFREG, nullptr, &number),
                     fmt::format("find an inode for {}", path)));
    ext2_inode inode{};
    inode.i_mode = LINUX_S_IFREG | 0755;
    inode.i_links_count = 1;
    HAKO_CHECK(check(ext2fs_write_new_inode(fs, number, &inode), fmt::format("make {}", path)));
    ext2fs_inode_alloc_stats2(fs, number, +1, 0);
    return check(ext2fs_link(fs, folder, name.c_str(), number, EXT2_FT_REG_FILE),
                 fmt::format("name {}", path));
}

Result<void> make_files_and_inodes(ext2_filsys fs, const Ext4Options& options) {
    HAKO_CHECK(check(ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, nullptr), "make the root"));
    HAKO_CHECK(make_public(fs, EXT2_ROOT_INO));
    // No lost+found: e2fsck makes it when it needs it, and a fresh volume is to be empty.
    for (ext2_ino_t inode = EXT2_ROOT_INO + 1; inode < EXT2_FIRST_INODE(fs->super); ++inode)
        ext2fs_inode_alloc_stats2(fs, inode, +1, 0);
    ext2fs_mark_ib_dirty(fs);
    ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
    HAKO_CHECK(check(ext2fs_update_bb_inode(fs, nullptr), "write the list of bad blocks"));
    for (const std::string& name : options.folders) HAKO_CHECK(make_folder(fs, name));
    for (const std::string& path : options.files) HAKO_CHECK(make_file(fs, path));
    return {};
}

Result<Handle> lay_out(const std::filesystem::path& path, const Ext4Options& options) {
    ext2_super_block wanted = parameters(options);
    ext2_filsys raw = nullptr;
    HAKO_CHECK(
        check(ext2fs_initialize(path.c_str(), EXT2_FLAG_64BITS, &wanted, unix_io_manager, &raw),
              "lay out the filesystem"));
    Handle fs(raw);
    HAKO_CHECK(fill_super_block(fs.get(), options));
    HAKO_CHECK(check(ext2fs_allocate_tables(fs.get()), "allocate its tables"));
    mark_inode_tables(fs.get());
    HAKO_CHECK(make_files_and_inodes(fs.get(), options));
    const std::uint64_t journal = journal_blocks(options);
    if (journal > 0) {
        HAKO_CHECK(
            check(ext2fs_add_journal_inode(fs.get(), static_cast<blk_t>(journal),
                                           EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK),
                  "add its journal"));
    }
    fs->super->s_overhead_clusters = overhead_blocks(fs.get(), journal);
    ext2fs_mark_super_dirty(fs.get());
    return fs;
}

Result<void> check_options(const Ext4Options& options) {
    constexpr std::uint64_t kSmallestJournal = 4 * kMiB;
    if (options.size < kSmallest)
        return fail(ErrorKind::invalid, "a disk of {} bytes is too small: give it 8 MiB or more",
                    options.size);
    if (options.label.size() > kMaxLabel)
        return fail(ErrorKind::invalid, "the disk label {} is longer than {} bytes", options.label,
                    kMaxLabel);
    const std::uint64_t journal = options.journal.value_or(0);
    if (journal > 0 && (journal < kSmallestJournal || journal > options.size / 2))
        return fail(ErrorKind::invalid,
                    "a journal of {} bytes does not fit: give it 4 MiB to half of the disk, or 0",
                    journal);
    return {};
}

}  // namespace

Result<Handle> create(const std::filesystem::path& path, const Ext4Options& options) {
    HAKO_CHECK(check_options(options));
    {
        HAKO_TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
        if (::ftruncate(file.get(), static_cast<off_t>(options.size / kBlock * kBlock)) != 0) {
            const int error = errno;
            ::unlink(path.c_str());
            return fail_errno(error, "cannot make a disk of {} bytes", options.size);
        }
    }
    auto fs = lay_out(path, options);
    if (!fs) ::unlink(path.c_str());
    return with_context(std::move(fs), fmt::format("cannot format {}", path.string()));
}

Result<void> close(Handle fs) {
    // Frees it whether or not it could write.
    return check(ext2fs_close2(fs.release(), EXT2_FLAG_FLUSH_NO_SYNC), "write the filesystem");
}

}  // namespace hako::fsimage::ext4
