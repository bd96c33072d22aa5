#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "init/vmexec/archive.h"

namespace hako::init {
namespace {

struct FreeWriter {
    void operator()(::archive* writer) const { ::archive_write_free(writer); }
};
struct FreeEntry {
    void operator()(::archive_entry* entry) const { ::archive_entry_free(entry); }
};
struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;
using Entry = std::unique_ptr<::archive_entry, FreeEntry>;

std::string read_link(int parent, const std::string& name) {
    std::array<char, PATH_MAX> buffer{};
    const auto size = ::readlinkat(parent, name.c_str(), buffer.data(), buffer.size());
    return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
}

// "/a/b" -> "b", "/a/." -> ".", "/" -> "."
std::string base_name(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const auto name = path.substr(path.rfind('/') + 1);
    return name.empty() ? "." : name;
}

void copy_attributes(const Fd& fd, ::archive_entry* entry) {
    std::vector<char> names(64 * 1024);
    const auto size = ::flistxattr(fd.get(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
        const char* name = &names[static_cast<std::size_t>(at)];
        at += static_cast<ssize_t>(std::char_traits<char>::length(name)) + 1;
        std::vector<char> value(64 * 1024);
        const auto length = ::fgetxattr(fd.get(), name, value.data(), value.size());
        if (length >= 0)
            ::archive_entry_xattr_add_entry(entry, name, value.data(),
                                            static_cast<std::size_t>(length));
    }
}

// Which mount a path is on; nothing where the kernel does not tell.
std::optional<std::uint64_t> mount_of(int parent, const std::string& name) {
    struct statx state {};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (::statx(parent, name.c_str(), flags, STATX_MNT_ID, &state) != 0) return std::nullopt;
    if ((state.stx_mask & STATX_MNT_ID) == 0) return std::nullopt;
    return state.stx_mnt_id;
}

class Creation {
public:
    // mount: the only one that is written; none for all.
    Creation(::archive* writer, std::optional<std::uint64_t> mount)
        : writer_(writer), mount_(mount) {}
    // name in parent becomes the entry `as`, with everything below.
    Result<void> add(int parent, const std::string& name, const std::string& as);

private:
    Result<void> write_header(::archive_entry* entry);
    Result<void> add_content(const Fd& file, std::uint64_t size);
    Result<void> add_children(Fd folder, const std::string& as);

    ::archive* writer_;
    std::optional<std::uint64_t> mount_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // the first name of hard links
};

Result<void> Creation::write_header(::archive_entry* entry) {
    if (::archive_write_header(writer_, entry) >= ARCHIVE_WARN) return {};
    return fail(ErrorKind::unavailable, "cannot write the tar archive: {}",
                ::archive_error_string(writer_));
}

// Exactly size bytes, whatever happens to the file meanwhile.
Result<void> Creation::add_content(const Fd& file, std::uint64_t size) {
    std::vector<std::byte> buffer(64 * 1024);
    while (size > 0) {
        const auto wanted = std::min<std::uint64_t>(size, buffer.size());
        HAKO_TRY(const auto got, read_full(file.get(), std::span(buffer).first(wanted)));
        std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(got), buffer.end(), std::byte{0});
        if (::archive_write_data(writer_, buffer.data(), wanted) < 0)
            return fail(ErrorKind::unavailable, "cannot write the tar archive: {}",
                        ::archive_error_string(writer_));
        size -= wanted;
    }
    return {};
}

Result<void> Creation::add_children(Fd folder_fd, const std::string& as) {
    const Folder folder(::fdopendir(folder_fd.get()));
    if (!folder) return fail_errno(errno, "cannot list {}", as);
    (void)folder_fd.release();
    std::vector<std::string> names;
    while (const auto* item = ::readdir(folder.get()))
        if (const std::string name = item->d_name; name != "." && name != "..")
            names.push_back(name);
    std::ranges::sort(names);
    for (const auto& name : names) HAKO_CHECK(add(::dirfd(folder.get()), name, as + "/" + name));
    return {};
}

Result<void> Creation::add(int parent, const std::string& name, const std::string& as) {
    struct stat state {};
    if (::fstatat(parent, name.c_str(), &state, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<void>() : fail_errno(errno, "cannot look at {}", as);
    if (S_ISSOCK(state.st_mode)) return {};

    const Entry entry(::archive_entry_new());
    ::archive_entry_copy_stat(entry.get(), &state);
    ::archive_entry_copy_pathname(entry.get(), (S_ISDIR(state.st_mode) ? as + "/" : as).c_str());
    if (!S_ISREG(state.st_mode)) ::archive_entry_set_size(entry.get(), 0);
    if (S_ISLNK(state.st_mode))
        ::archive_entry_copy_symlink(entry.get(), read_link(parent, name).c_str());
    if (mount_ && mount_of(parent, name) != mount_) {
        ::archive_entry_set_size(entry.get(), 0);
        return write_header(entry.get());
    }
    if (S_ISREG(state.st_mode) && state.st_nlink > 1) {
        const auto [first, fresh] = linked_.emplace(std::pair(state.st_dev, state.st_ino), as);
        if (!fresh) {
            ::archive_entry_copy_hardlink(entry.get(), first->second.c_str());
            ::archive_entry_set_size(entry.get(), 0);
            return write_header(entry.get());
        }
    }
    if (!S_ISREG(state.st_mode) && !S_ISDIR(state.st_mode)) return write_header(entry.get());

    Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot open {}", as);
    struct stat opened {};
    if (::fstat(fd.get(), &opened) != 0 || (opened.st_mode & S_IFMT) != (state.st_mode & S_IFMT))
        return fail(ErrorKind::conflict, "{} changed while it was copied", as);
    copy_attributes(fd, entry.get());
    HAKO_CHECK(write_header(entry.get()));
    if (S_ISDIR(state.st_mode)) return add_children(std::move(fd), as);
    return add_content(fd, static_cast<std::uint64_t>(state.st_size));
}

}  // namespace

Result<Json> stat_path(const std::string& path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return fail(ErrorKind::not_found, "Could not find the file {} in container", path);
        return fail_errno(errno, "cannot look at {}", path);
    }
    return Json{{"name", path == "/" ? path : base_name(path)},
                {"size", state.st_size},
                {"mode", state.st_mode},
                {"mtime_ns", state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec},
                {"link_target", S_ISLNK(state.st_mode) ? read_link(AT_FDCWD, path) : ""}};
}

Result<void> create_tar(const std::string& path, int fd) {
    std::setlocale(LC_CTYPE, "C.UTF-8");  // libarchive converts names by it
    const std::unique_ptr<::archive, FreeWriter> writer(::archive_write_new());
    ::archive_write_set_format_pax_restricted(writer.get());
    ::archive_write_set_bytes_in_last_block(writer.get(), 1);
    if (::archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK)
        return fail(ErrorKind::internal, "cannot begin the tar archive");
    const auto name = base_name(path);
    const auto mount = name == "." ? mount_of(AT_FDCWD, path) : std::nullopt;
    HAKO_CHECK(Creation(writer.get(), mount).add(AT_FDCWD, path, name));
    if (::archive_write_close(writer.get()) != ARCHIVE_OK)
        return fail(ErrorKind::unavailable, "cannot end the tar archive");
    return {};
}

}  // namespace hako::init
