#include "cli/local_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <vector>

#include "cli/piped_tar.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;
using fsimage::EntryType;

constexpr std::size_t kBufferBytes = 256U << 10U;

std::optional<EntryType> type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return EntryType::file;
        case S_IFDIR: return EntryType::directory;
        case S_IFLNK: return EntryType::symlink;
        case S_IFCHR: return EntryType::character_device;
        case S_IFBLK: return EntryType::block_device;
        case S_IFIFO: return EntryType::fifo;
        default: return std::nullopt;
    }
}

class LocalTree {
public:
    explicit LocalTree(fsimage::TarWriter& tar) : tar_(tar) {}

    Result<void> add(const fs::path& path, const std::string& as) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0)
            return fail_errno(errno, "cannot read {}", path.string());
        const auto type = type_of(status.st_mode);
        if (!type) return {};
        fsimage::TarEntry entry{
            .path = as,
            .type = *type,
            .mode = status.st_mode & 07777U,
            .uid = status.st_uid,
            .gid = status.st_gid,
            .major = major(status.st_rdev),
            .minor = minor(status.st_rdev),
            .mtime = {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)}};
        std::error_code error;
        if (type == EntryType::symlink) {
            entry.link = fs::read_symlink(path, error).string();
            if (error) return fail_errno(error.value(), "cannot read {}", path.string());
        }
        if (type == EntryType::directory) {
            HAKO_CHECK(tar_.add(entry));
            return add_children(path, as);
        }
        if (status.st_nlink > 1) {
            const auto [first, fresh] = links_.emplace(std::pair(status.st_dev, status.st_ino), as);
            if (!fresh) {
                entry.type = EntryType::hardlink;
                entry.link = first->second;
                return tar_.add(entry);
            }
        }
        return type == EntryType::file ? add_file(path, std::move(entry)) : tar_.add(entry);
    }

private:
    Result<void> add_file(const fs::path& path, fsimage::TarEntry entry) {
        HAKO_TRY(const Fd file, open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        struct stat status {};
        if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
            return fail(ErrorKind::conflict, "{} changed while it was copied", path.string());
        entry.size = static_cast<std::uint64_t>(status.st_size);
        HAKO_CHECK(tar_.add(entry));
        FdReader contents(file.get());
        HAKO_CHECK(with_context(copy_all(contents, tar_).map([](auto) {}), path.string()));
        return {};
    }

    Result<void> add_children(const fs::path& folder, const std::string& as) {
        std::error_code error;
        std::vector<std::string> names;
        for (fs::directory_iterator item(folder, error), end; !error && item != end;
             item.increment(error))
            names.push_back(item->path().filename().string());
        if (error) return fail_errno(error.value(), "cannot list {}", folder.string());
        std::ranges::sort(names);
        for (const auto& name : names) HAKO_CHECK(add(folder / name, as + "/" + name));
        return {};
    }

    fsimage::TarWriter& tar_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_;  // the first name of hard links
};

struct FreeReader {
    void operator()(::archive* archive) const { ::archive_read_free(archive); }
};
struct FreeWriter {
    void operator()(::archive* archive) const { ::archive_write_free(archive); }
};

// Feeds libarchive from a Reader.
struct Source {
    Reader& reader;
    std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);
    std::optional<Error> error = {};

    static la_ssize_t read(::archive* archive, void* self, const void** data) {
        auto& source = *static_cast<Source*>(self);
        const auto count = source.reader.read(source.buffer);
        *data = source.buffer.data();
        if (count) return static_cast<la_ssize_t>(*count);
        source.error = count.error();
        ::archive_set_error(archive, EIO, "cannot read");
        return -1;
    }
};

// "a/b" with from "a" and to "c" is "c/b".
std::string renamed(std::string_view path, const ExtractOptions& options) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path == options.from) return options.to;
    const bool below = path.starts_with(options.from) && path.substr(options.from.size())[0] == '/';
    return below ? options.to + std::string(path.substr(options.from.size())) : std::string(path);
}

Result<void> copy_data(::archive* from, ::archive* to) {
    for (;;) {
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        const int status = ::archive_read_data_block(from, &block, &size, &offset);
        if (status == ARCHIVE_EOF) return {};
        if (status < ARCHIVE_WARN)
            return fail(ErrorKind::corrupt, "{}", ::archive_error_string(from));
        if (::archive_write_data_block(to, block, size, offset) < ARCHIVE_WARN)
            return fail(ErrorKind::unavailable, "{}", ::archive_error_string(to));
    }
}

// Members are below the folder whatever they are called: libarchive checks what is relative.
Result<void> extract_member(::archive* from, ::archive* to, ::archive_entry* entry,
                            const fs::path& folder, const ExtractOptions& options) {
    const auto place = [&](const char* name) { return (folder / renamed(name, options)).string(); };
    const std::string name = ::archive_entry_pathname(entry);
    if (fs::path(name).is_absolute() || std::ranges::count(fs::path(name), "..") > 0)
        return fail(ErrorKind::invalid, "{} would lie outside of {}", name, folder.string());
    ::archive_entry_copy_pathname(entry, place(name.c_str()).c_str());
    if (const char* link = ::archive_entry_hardlink(entry))
        ::archive_entry_copy_hardlink(entry, place(link).c_str());
    if (::archive_write_header(to, entry) < ARCHIVE_WARN)
        return fail(ErrorKind::invalid, "{}", ::archive_error_string(to));
    HAKO_CHECK(with_context(copy_data(from, to), name));
    if (::archive_write_finish_entry(to) < ARCHIVE_WARN)
        return fail(ErrorKind::unavailable, "{}", ::archive_error_string(to));
    return {};
}

}  // namespace

Result<std::unique_ptr<Reader>> tar_of(const fs::path& path, const std::string& as) {
    return PipedTar::start(
        [path, as](fsimage::TarWriter& tar) { return LocalTree(tar).add(path, as); });
}

Result<void> extract(Reader& tar, const ExtractOptions& options) {
    std::error_code error;
    // Links on the way to the folder are the user's own; below it none is followed.
    const fs::path folder = fs::canonical(options.folder, error);
    if (error) return fail_errno(error.value(), "cannot write to {}", options.folder.string());
    const std::unique_ptr<::archive, FreeReader> from(::archive_read_new());
    ::archive_read_support_format_tar(from.get());
    const std::unique_ptr<::archive, FreeWriter> to(::archive_write_disk_new());
    ::archive_write_disk_set_options(
        to.get(), ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                      ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                      (options.keep_owner ? ARCHIVE_EXTRACT_OWNER : 0));
    Source source{tar};
    int status = ::archive_read_open(from.get(), &source, nullptr, &Source::read, nullptr);
    ::archive_entry* entry = nullptr;
    while (status >= ARCHIVE_WARN &&
           (status = ::archive_read_next_header(from.get(), &entry)) >= ARCHIVE_WARN &&
           status != ARCHIVE_EOF)
        HAKO_CHECK(extract_member(from.get(), to.get(), entry, folder, options));
    if (source.error) return fail(*source.error);
    if (status != ARCHIVE_EOF)
        return fail(ErrorKind::corrupt, "cannot read the tar: {}",
                    ::archive_error_string(from.get()));
    if (::archive_write_close(to.get()) < ARCHIVE_WARN)
        return fail(ErrorKind::unavailable, "{}", ::archive_error_string(to.get()));
    return {};
}

}  // namespace hako::cli
