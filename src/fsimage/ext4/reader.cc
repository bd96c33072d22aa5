#include "fsimage/ext4/reader.h"

#include <algorithm>
#include <optional>

#include "fsimage/ext4/handle.h"
#include "fsimage/inode_mode.h"

namespace hako::fsimage::ext4 {
namespace {

constexpr char kAclUser = 2;  // tags of ACL entries that name a user, a group
constexpr char kAclGroup = 8;

struct CloseFile {
    void operator()(ext2_file_t file) const { ext2fs_file_close(file); }
};
using File = std::unique_ptr<ext2_file, CloseFile>;

struct FreeText {
    void operator()(void* text) const { ext2fs_free_mem(&text); }
};

// libext2fs gives the entries of an ACL that name nobody the id 0, the kernel -1.
void restore_acl_ids(std::string& acl) {
    constexpr std::size_t kHeader = 4;
    constexpr std::size_t kEntry = 8;  // tag, permissions, id
    for (std::size_t at = kHeader; at + kEntry <= acl.size(); at += kEntry) {
        const bool names_somebody = acl[at] == kAclUser || acl[at] == kAclGroup;
        if (!names_somebody) acl.replace(at + 4, 4, 4, '\xFF');
    }
}

class Ext4Reader : public Filesystem {
public:
    explicit Ext4Reader(Handle fs) : fs_(std::move(fs)) {}

    FileId root() const override { return EXT2_ROOT_INO; }
    std::uint64_t inodes() const override {
        return fs_->super->s_inodes_count - fs_->super->s_free_inodes_count;
    }
    Result<FileInfo> describe(FileId file) override;
    Result<std::vector<DirectoryItem>> list(FileId directory) override;
    Result<std::size_t> read(FileId file, std::uint64_t offset,
                             std::span<std::byte> buffer) override;

private:
    Result<ext2_inode_large> load(FileId file) const;
    Result<void> open(FileId file);
    Result<std::size_t> read_open(std::uint64_t offset, std::span<std::byte> buffer);
    Result<std::string> read_link(FileId file, ext2_inode_large& inode);
    Result<std::map<std::string, std::string>> xattrs(FileId file) const;

    Handle fs_;
    FileId open_id_ = 0;  // the file that was read last
    File open_;
};

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::corrupt, "the ext4 is damaged ({}): check it with e2fsck", what);
}

// What libext2fs refuses on a disk that it could open is damage.
Result<void> check_read(errcode_t error, std::string_view what) {
    auto checked = check(error, what);
    if (!checked && checked.error().kind() == ErrorKind::internal)
        return fail(Error(ErrorKind::corrupt, checked.error().message()));
    return checked;
}

Result<ext2_inode_large> Ext4Reader::load(FileId file) const {
    if (file == 0 || file > fs_->super->s_inodes_count) return damaged("an inode's number");
    ext2_inode_large inode{};
    HAKO_CHECK(
        check_read(ext2fs_read_inode_full(fs_.get(), static_cast<ext2_ino_t>(file),
                                          reinterpret_cast<ext2_inode*>(&inode), sizeof inode),
                   "read an inode"));
    return inode;
}

Result<void> Ext4Reader::open(FileId file) {
    if (open_ && open_id_ == file) return {};
    open_.reset();
    ext2_file_t opened = nullptr;
    HAKO_CHECK(check_read(ext2fs_file_open(fs_.get(), static_cast<ext2_ino_t>(file), 0, &opened),
                          "open a file"));
    open_.reset(opened);
    open_id_ = file;
    return {};
}

Result<std::size_t> Ext4Reader::read_open(std::uint64_t offset, std::span<std::byte> buffer) {
    HAKO_CHECK(check_read(ext2fs_file_llseek(open_.get(), offset, EXT2_SEEK_SET, nullptr),
                          "find a place in a file"));
    constexpr std::size_t kMost = 1U << 30U;  // it counts in 32 bits
    unsigned count = 0;
    HAKO_CHECK(
        check_read(ext2fs_file_read(open_.get(), buffer.data(),
                                    static_cast<unsigned>(std::min(buffer.size(), kMost)), &count),
                   "read a file"));
    return count;
}

Result<std::string> Ext4Reader::read_link(FileId file, ext2_inode_large& inode) {
    std::string target(inode.i_size, '\0');
    if (target.empty() || target.size() >= 4096) return damaged("a symbolic link");
    if (ext2fs_is_fast_symlink(reinterpret_cast<ext2_inode*>(&inode)) != 0) {
        if (target.size() >= sizeof inode.i_block) return damaged("a symbolic link");
        target.assign(reinterpret_cast<const char*>(inode.i_block), target.size());
    } else {
        HAKO_CHECK(open(file));
        HAKO_TRY(const auto count, read_open(0, std::as_writable_bytes(std::span(target))));
        if (count != target.size()) return damaged("a symbolic link");
    }
    if (target.find('\0') != std::string::npos) return damaged("a symbolic link");
    return target;
}

Result<std::map<std::string, std::string>> Ext4Reader::xattrs(FileId file) const {
    std::map<std::string, std::string> found;
    HAKO_TRY(const Xattrs handle, open_xattrs(fs_.get(), static_cast<ext2_ino_t>(file)));
    HAKO_CHECK(check_read(ext2fs_xattrs_read(handle.get()), "read extended attributes"));
    struct Visit {
        std::map<std::string, std::string>& found;
        ext2_xattr_handle* handle;
        errcode_t error = 0;
    } visit{found, handle.get()};
    // The iterator gives values as the disk has them; get() gives ACLs as Linux has them.
    const auto take = [](char* name, char*, size_t, void* data) {
        auto& self = *static_cast<Visit*>(data);
        void* value = nullptr;
        size_t size = 0;
        self.error = ext2fs_xattr_get(self.handle, name, &value, &size);
        if (self.error != 0) return XATTR_ABORT;
        const std::unique_ptr<void, FreeText> owner(value);
        auto& text = self.found[name];
        text.assign(static_cast<const char*>(value), size);
        if (std::string_view(name).starts_with("system.posix_acl_")) restore_acl_ids(text);
        return 0;
    };
    HAKO_CHECK(
        check_read(ext2fs_xattrs_iterate(handle.get(), take, &visit), "read extended attributes"));
    HAKO_CHECK(check_read(visit.error, "read an extended attribute"));
    return found;
}

Result<FileInfo> Ext4Reader::describe(FileId file) {
    HAKO_TRY(auto inode, load(file));
    const auto type = entry_type(inode.i_mode);
    if (!type) return damaged("the type of an inode");
    FileInfo info;
    TarEntry& entry = info.entry;
    entry.type = *type;
    entry.mode = inode.i_mode & 07777U;
    entry.uid = inode_uid(inode);
    entry.gid = inode_gid(inode);
    const bool has_extra = inode.i_extra_isize >= 8;  // up to i_mtime_extra
    entry.mtime = decode_time({inode.i_mtime, has_extra ? inode.i_mtime_extra : 0});
    if (entry.mtime.nanoseconds >= 1'000'000'000) return damaged("the time of a file");
    info.links = inode.i_links_count;
    if (entry.type == EntryType::file) {
        entry.size = EXT2_I_SIZE(&inode);
    } else if (entry.type == EntryType::symlink) {
        HAKO_TRY(entry.link, read_link(file, inode));
    } else if (entry.type == EntryType::character_device || entry.type == EntryType::block_device) {
        const std::uint32_t old = inode.i_block[0];  // 8 and 8 bits, where it suffices
        entry.major = old != 0 ? old >> 8U & 0xFFU : device_major(inode.i_block[1]);
        entry.minor = old != 0 ? old & 0xFFU : device_minor(inode.i_block[1]);
    }
    HAKO_TRY(entry.xattrs, xattrs(file));
    return info;
}

Result<std::vector<DirectoryItem>> Ext4Reader::list(FileId directory) {
    HAKO_TRY(const auto inode, load(directory));
    if (entry_type(inode.i_mode) != EntryType::directory)
        return fail(ErrorKind::invalid, "it is no folder: name one");
    std::vector<DirectoryItem> items;
    const auto take = [](ext2_ino_t, int kind, ext2_dir_entry* entry, int, int, char*, void* data) {
        if (kind != DIRENT_OTHER_FILE) return 0;
        static_cast<std::vector<DirectoryItem>*>(data)->push_back(
            {std::string(entry->name, static_cast<std::size_t>(ext2fs_dirent_name_len(entry))),
             entry->inode});
        return 0;
    };
    HAKO_CHECK(check_read(ext2fs_dir_iterate2(fs_.get(), static_cast<ext2_ino_t>(directory), 0,
                                              nullptr, take, &items),
                          "list a folder"));
    std::ranges::sort(items, {}, &DirectoryItem::name);
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::string& name = items[i].name;
        if (name.empty() || name == "." || name == ".." ||
            name.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
            (i > 0 && items[i - 1].name == name))
            return damaged("a name in a folder");
    }
    return items;
}

Result<std::size_t> Ext4Reader::read(FileId file, std::uint64_t offset,
                                     std::span<std::byte> buffer) {
    if (!open_ || open_id_ != file) {
        HAKO_TRY(const auto inode, load(file));
        if (entry_type(inode.i_mode) != EntryType::file)
            return fail(ErrorKind::invalid, "it is no regular file: name one");
    }
    HAKO_CHECK(open(file));
    return read_open(offset, buffer);
}

}  // namespace

Result<std::unique_ptr<Filesystem>> open_filesystem(const std::filesystem::path& path) {
    ext2_filsys raw = nullptr;
    HAKO_CHECK(with_context(
        check_read(ext2fs_open(path.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &raw),
                   "open the ext4"),
        path.string()));
    Handle fs(raw);
    if (ext2fs_has_feature_journal_needs_recovery(fs->super) != 0)
        return fail(ErrorKind::conflict,
                    "{} was not unmounted: run e2fsck on it, or mount it once, and try again",
                    path.string());
    return std::make_unique<Ext4Reader>(std::move(fs));
}

}  // namespace hako::fsimage::ext4
