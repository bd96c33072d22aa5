#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "init/common/path_in_root.h"
#include "init/vmexec/archive.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

struct FreeReader {
    void operator()(::archive* reader) const { ::archive_read_free(reader); }
};
using TarReader = std::unique_ptr<::archive, FreeReader>;

tl::unexpected<Error> fail_archive(::archive* reader) {
    const char* why = ::archive_error_string(reader);
    return fail(ErrorKind::invalid, "the tar archive cannot be read: {}", why ? why : "damaged");
}

// "./a//b/" -> "a/b"; "" is the folder itself.
Result<std::string> clean_name(const char* raw) {
    if (raw == nullptr)
        return fail(ErrorKind::invalid, "the tar archive has a name that is no text");
    std::string clean;
    for (const auto& part : fs::path(raw)) {
        if (part == "..") return fail(ErrorKind::invalid, "the tar archive leads outside: {}", raw);
        if (part.empty() || part == "." || part == "/") continue;
        if (!clean.empty()) clean += '/';
        clean += part.string();
    }
    return clean;
}

class Extraction {
public:
    Extraction(Fd root, std::string folder, CopyInOptions options)
        : root_(std::move(root)), folder_(std::move(folder)), options_(options) {}

    Result<void> extract(::archive* reader, ::archive_entry* entry);
    // Times of directories, which later entries changed.
    void finish();

private:
    // Where an entry goes: an open parent and a name in it.
    struct Place {
        Fd parent;
        std::string name;
    };
    struct Folder {
        Fd fd;
        timespec modified;
    };

    std::string full(const std::string& name) const { return folder_ + "/" + name; }
    Result<Place> find_place(const std::string& name) const;
    Result<bool> make_room(const Place& place, const std::string& name, bool folder) const;
    Result<void> create(::archive* reader, ::archive_entry* entry, const Place& place, bool exists);
    Result<void> apply_metadata(::archive_entry* entry, const Place& place);

    Fd root_;
    std::string folder_;
    CopyInOptions options_;
    std::vector<Folder> folders_;
};

Result<Extraction::Place> Extraction::find_place(const std::string& name) const {
    const auto slash = name.rfind('/');
    const auto parent = slash == std::string::npos ? std::string() : name.substr(0, slash);
    HAKO_TRY(Fd fd, make_folder_in_root(root_.get(), full(parent)));
    // With O_PATH descriptors only the *at calls work, and they are all we need.
    return Place{std::move(fd), slash == std::string::npos ? name : name.substr(slash + 1)};
}

// True when there is a directory already that the entry's directory merges into.
Result<bool> Extraction::make_room(const Place& place, const std::string& name, bool folder) const {
    struct stat present {};
    if (::fstatat(place.parent.get(), place.name.c_str(), &present, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    const bool present_folder = S_ISDIR(present.st_mode);
    if (present_folder && folder) return true;
    if (options_.keep_kinds && present_folder)
        return fail(ErrorKind::invalid, "cannot overwrite directory \"{}\" with non-directory",
                    full(name));
    if (options_.keep_kinds && folder)
        return fail(ErrorKind::invalid, "cannot overwrite non-directory \"{}\" with directory",
                    full(name));
    if (!present_folder) {
        if (::unlinkat(place.parent.get(), place.name.c_str(), 0) != 0)
            return fail_errno(errno, "cannot replace {}", full(name));
        return false;
    }
    std::error_code error;
    fs::remove_all(full(name), error);
    if (error) return fail_errno(error.value(), "cannot replace {}", full(name));
    return false;
}

Result<void> write_content(::archive* reader, int file, const char* name) {
    if (::archive_read_data_into_fd(reader, file) == ARCHIVE_OK) return {};
    const int error = ::archive_errno(reader);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return fail_errno(error, "cannot write {}", name);
    return fail_archive(reader);
}

Result<void> Extraction::create(::archive* reader, ::archive_entry* entry, const Place& place,
                                bool exists) {
    const char* name = place.name.c_str();
    const int parent = place.parent.get();
    int failed = 0;
    if (const char* link = ::archive_entry_hardlink(entry)) {
        HAKO_TRY(const auto target, clean_name(link));
        HAKO_TRY(const auto source, find_place(target));
        failed = ::linkat(source.parent.get(), source.name.c_str(), parent, name, 0);
        if (failed == 0) return {};
        return fail_errno(errno, "cannot link {} to {}", name, target);
    }
    switch (::archive_entry_filetype(entry)) {
        case AE_IFDIR:
            if (!exists) failed = ::mkdirat(parent, name, 0700);
            break;
        case AE_IFLNK: failed = ::symlinkat(::archive_entry_symlink(entry), parent, name); break;
        case AE_IFREG: {
            const Fd file(
                ::openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
            if (!file) return fail_errno(errno, "cannot create {}", name);
            HAKO_CHECK(write_content(reader, file.get(), name));
            break;
        }
        case AE_IFCHR:
        case AE_IFBLK:
        case AE_IFIFO:
            failed = ::mknodat(parent, name, ::archive_entry_filetype(entry) | 0600U,
                               ::archive_entry_rdev(entry));
            break;
        default: return fail(ErrorKind::invalid, "{} has a kind that is not supported", name);
    }
    if (failed != 0) return fail_errno(errno, "cannot create {}", name);
    return apply_metadata(entry, place);
}

Result<void> Extraction::apply_metadata(::archive_entry* entry, const Place& place) {
    const char* name = place.name.c_str();
    const int parent = place.parent.get();
    const auto type = ::archive_entry_filetype(entry);
    const auto owner = options_.owner.value_or(
        CopyInOptions::Owner{static_cast<uid_t>(::archive_entry_uid(entry)),
                             static_cast<gid_t>(::archive_entry_gid(entry))});
    if (::fchownat(parent, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, "cannot set the owner of {}", name);
    if (type != AE_IFLNK && ::fchmodat(parent, name, ::archive_entry_perm(entry), 0) != 0)
        return fail_errno(errno, "cannot set the mode of {}", name);

    const timespec modified{::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)};
    if (type == AE_IFREG || type == AE_IFDIR) {
        Fd fd(::openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        const char* key = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        ::archive_entry_xattr_reset(entry);
        while (fd && ::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK)
            (void)!::fsetxattr(fd.get(), key, value, size, 0);  // as far as the file system can
        if (type == AE_IFDIR) {
            folders_.push_back({std::move(fd), modified});
            if (folders_.size() > 512) finish();
            return {};
        }
    }
    const std::array<timespec, 2> times{modified, modified};
    ::utimensat(parent, name, times.data(), AT_SYMLINK_NOFOLLOW);
    return {};
}

Result<void> Extraction::extract(::archive* reader, ::archive_entry* entry) {
    HAKO_TRY(const auto name, clean_name(::archive_entry_pathname(entry)));
    if (name.empty()) return {};
    HAKO_TRY(const auto place, find_place(name));
    HAKO_TRY(const bool exists,
             make_room(place, name, ::archive_entry_filetype(entry) == AE_IFDIR));
    return create(reader, entry, place, exists);
}

void Extraction::finish() {
    for (const auto& folder : folders_) {
        const std::array<timespec, 2> times{folder.modified, folder.modified};
        if (folder.fd) ::futimens(folder.fd.get(), times.data());
    }
    folders_.clear();
}

// As Docker says it, before anything is written.
Result<void> check_writable(const Fd& root, const Fd& target) {
    struct statvfs state {};
    if (::fstatvfs(target.get(), &state) != 0 || (state.f_flag & ST_RDONLY) == 0) return {};
    const auto mount_of = [](const Fd& fd) {
        struct statx about {};
        (void)::statx(fd.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &about);
        return about.stx_mnt_id;
    };
    return fail(ErrorKind::forbidden, "{} is marked read-only",
                mount_of(root) == mount_of(target) ? "container rootfs" : "mounted volume");
}

}  // namespace

Result<void> extract_tar(int fd, const std::string& folder, const CopyInOptions& options) {
    std::setlocale(LC_CTYPE, "C.UTF-8");  // libarchive converts names by it
    ::umask(0);
    HAKO_TRY(Fd root, open_file("/", O_PATH | O_DIRECTORY));
    struct stat state {};
    HAKO_TRY(const auto target, open_in_root(root.get(), folder, O_PATH));
    if (::fstat(target.get(), &state) != 0 || !S_ISDIR(state.st_mode))
        return fail(ErrorKind::invalid, "extraction point is not a directory");
    HAKO_CHECK(check_writable(root, target));

    const TarReader reader(::archive_read_new());
    ::archive_read_support_format_tar(reader.get());
    if (::archive_read_open_fd(reader.get(), fd, 64 * 1024) != ARCHIVE_OK)
        return fail_archive(reader.get());
    Extraction extraction(std::move(root), folder, options);
    while (true) {
        ::archive_entry* entry = nullptr;
        const int status = ::archive_read_next_header(reader.get(), &entry);
        if (status == ARCHIVE_EOF) break;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return fail_archive(reader.get());
        HAKO_CHECK(extraction.extract(reader.get(), entry));
    }
    extraction.finish();
    // What follows the end mark (padding) is taken as well, so that the sender is not disturbed.
    std::vector<std::byte> rest(64 * 1024);
    for (auto got = read_some(fd, rest); got && *got != 0; got = read_some(fd, rest)) {
    }
    return {};
}

}  // namespace hako::init
