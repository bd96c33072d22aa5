#include "store/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace hako::store {
namespace {

std::filesystem::path temp_beside(const std::filesystem::path& path) {
    static std::atomic<unsigned> counter{0};
    return path.parent_path() /
           fmt::format(".{}.{}.{}.tmp", path.filename().native(), ::getpid(), counter++);
}

Result<void> write_synced(const std::filesystem::path& path, std::string_view text, mode_t mode) {
    HAKO_TRY(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL, mode));
    HAKO_CHECK(with_context(write_all(fd.get(), text), path.native()));
    if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot sync {}", path.native());
    return {};
}

}  // namespace

Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view text,
                               mode_t mode) {
    const auto temp = temp_beside(path);
    if (auto written = write_synced(temp, text, mode); !written) {
        ::unlink(temp.c_str());
        return written;
    }
    if (::rename(temp.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temp.c_str());
        return fail_errno(error, "cannot rename to {}", path.native());
    }
    return sync_folder(path.parent_path());
}

Result<void> sync_folder(const std::filesystem::path& path) {
    // Of a file that is named without one.
    HAKO_TRY(const Fd fd, open_file(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot sync {}", path.native());
    return {};
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const LockWords& words) {
    HAKO_TRY(Fd fd, open_file(path, O_RDWR | O_CREAT, 0600));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock {}", path.native());
        const auto holder = read_file(path);
        return fail(ErrorKind::conflict, "{} is in use by the {} with pid {}; {}",
                    path.parent_path().native(), words.holder,
                    holder && !holder->empty() ? *holder : "unknown", words.advice);
    }
    if (::ftruncate(fd.get(), 0) != 0) return fail_errno(errno, "cannot write {}", path.native());
    HAKO_CHECK(write_all(fd.get(), fmt::format("{}", ::getpid())));
    return FileLock(std::move(fd));
}

}  // namespace hako::store
