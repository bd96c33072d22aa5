#include "init/vmexec/tar_creation.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>

namespace hako::init {
namespace {

constexpr std::string_view kOverlayAttributes = "trusted.overlay.";
constexpr const char* kOpaque = "trusted.overlay.opaque";
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";

struct FreeEntry {
    void operator()(::archive_entry* entry) const { ::archive_entry_free(entry); }
};
using Entry = std::unique_ptr<::archive_entry, FreeEntry>;

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

void copy_attributes(const Fd& fd, ::archive_entry* entry) {
    std::vector<char> names(64 * 1024);
    const auto size = ::flistxattr(fd.get(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
        const char* name = &names[static_cast<std::size_t>(at)];
        at += static_cast<ssize_t>(std::char_traits<char>::length(name)) + 1;
        if (std::string_view(name).starts_with(kOverlayAttributes)) continue;
        std::vector<char> value(64 * 1024);
        const auto length = ::fgetxattr(fd.get(), name, value.data(), value.size());
        if (length >= 0)
            ::archive_entry_xattr_add_entry(entry, name, value.data(),
                                            static_cast<std::size_t>(length));
    }
}

bool is_opaque(const Fd& folder) {
    char value = 0;
    return ::fgetxattr(folder.get(), kOpaque, &value, 1) == 1 && value == 'y';
}

// The name that stands for a deleted one: "a/b" -> "a/.wh.b".
std::string whiteout_name(const std::string& as) {
    const auto slash = as.rfind('/');
    const auto begin = slash == std::string::npos ? 0 : slash + 1;
    return as.substr(0, begin).append(kWhiteout) + as.substr(begin);
}

}  // namespace

std::string read_link(int parent, const std::string& name) {
    std::array<char, PATH_MAX> buffer{};
    const auto size = ::readlinkat(parent, name.c_str(), buffer.data(), buffer.size());
    return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::optional<std::uint64_t> mount_of(int parent, const std::string& name) {
    struct statx state {};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (::statx(parent, name.c_str(), flags, STATX_MNT_ID, &state) != 0) return std::nullopt;
    if ((state.stx_mask & STATX_MNT_ID) == 0) return std::nullopt;
    return state.stx_mnt_id;
}

bool is_whiteout(const struct stat& state) { return S_ISCHR(state.st_mode) && state.st_rdev == 0; }

Result<std::vector<std::string>> list_folder(int folder) {
    const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, CloseFolder> items(own < 0 ? nullptr : ::fdopendir(own));
    if (!items) return fail_errno(errno, "cannot list a folder");
    std::vector<std::string> names;
    while (const auto* item = ::readdir(items.get()))
        if (const std::string name = item->d_name; name != "." && name != "..")
            names.push_back(name);
    std::ranges::sort(names);
    return names;
}

void TarCreation::Free::operator()(::archive* writer) const { ::archive_write_free(writer); }

Result<TarCreation> TarCreation::begin(int fd, TarRules rules) {
    std::setlocale(LC_CTYPE, "C.UTF-8");  // libarchive converts names by it
    Writer writer(::archive_write_new());
    ::archive_write_set_format_pax_restricted(writer.get());
    ::archive_write_set_bytes_in_last_block(writer.get(), 1);
    if (::archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK)
        return fail(ErrorKind::internal, "cannot begin the tar archive");
    return TarCreation(std::move(writer), std::move(rules));
}

TarCreation::TarCreation(Writer writer, TarRules rules)
    : writer_(std::move(writer)), rules_(std::move(rules)) {}

Result<void> TarCreation::finish() {
    if (::archive_write_close(writer_.get()) != ARCHIVE_OK)
        return fail(ErrorKind::unavailable, "cannot end the tar archive");
    return {};
}

Result<void> TarCreation::write_header(::archive_entry* entry) {
    if (::archive_write_header(writer_.get(), entry) >= ARCHIVE_WARN) return {};
    return fail(ErrorKind::unavailable, "cannot write the tar archive: {}",
                ::archive_error_string(writer_.get()));
}

Result<void> TarCreation::add_marker(const std::string& as) {
    const Entry entry(::archive_entry_new());
    ::archive_entry_copy_pathname(entry.get(), as.c_str());
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), 0600);
    ::archive_entry_set_size(entry.get(), 0);
    return write_header(entry.get());
}

// Exactly size bytes, whatever happens to the file meanwhile.
Result<void> TarCreation::add_content(const Fd& file, std::uint64_t size) {
    std::vector<std::byte> buffer(64 * 1024);
    while (size > 0) {
        const auto wanted = std::min<std::uint64_t>(size, buffer.size());
        HAKO_TRY(const auto got, read_full(file.get(), std::span(buffer).first(wanted)));
        std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(got), buffer.end(), std::byte{0});
        if (::archive_write_data(writer_.get(), buffer.data(), wanted) < 0)
            return fail(ErrorKind::unavailable, "cannot write the tar archive: {}",
                        ::archive_error_string(writer_.get()));
        size -= wanted;
    }
    return {};
}

Result<void> TarCreation::add_children(int folder, const std::string& as) {
    HAKO_TRY(const auto names, list_folder(folder));
    for (const auto& name : names)
        HAKO_CHECK(add(folder, name, as.empty() ? name : as + "/" + name));
    return {};
}

Result<void> TarCreation::add(int parent, const std::string& name, const std::string& as) {
    struct stat state {};
    if (::fstatat(parent, name.c_str(), &state, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<void>() : fail_errno(errno, "cannot look at {}", as);
    if (S_ISSOCK(state.st_mode)) return {};
    if (rules_.skips && rules_.skips(parent, name, as)) return {};
    if (rules_.layer && is_whiteout(state)) return add_marker(whiteout_name(as));

    const Entry entry(::archive_entry_new());
    ::archive_entry_copy_stat(entry.get(), &state);
    ::archive_entry_copy_pathname(entry.get(), (S_ISDIR(state.st_mode) ? as + "/" : as).c_str());
    if (!S_ISREG(state.st_mode)) ::archive_entry_set_size(entry.get(), 0);
    if (S_ISLNK(state.st_mode))
        ::archive_entry_copy_symlink(entry.get(), read_link(parent, name).c_str());
    if (rules_.mount && mount_of(parent, name) != rules_.mount) {
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

    const Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot open {}", as);
    struct stat opened {};
    if (::fstat(fd.get(), &opened) != 0 || (opened.st_mode & S_IFMT) != (state.st_mode & S_IFMT))
        return fail(ErrorKind::conflict, "{} changed while it was copied", as);
    copy_attributes(fd, entry.get());
    HAKO_CHECK(write_header(entry.get()));
    if (!S_ISDIR(state.st_mode)) return add_content(fd, static_cast<std::uint64_t>(state.st_size));
    if (rules_.layer && is_opaque(fd))
        HAKO_CHECK(add_marker(fmt::format("{}/{}", as, kOpaqueMarker)));
    return add_children(fd.get(), as);
}

}  // namespace hako::init
