// Files that are either the old one or the new one, and the lock that keeps a second daemon away.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace hako::store {

// Temp file beside it, fsync, rename, fsync of the folder. After a crash: the old or the new file.
Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view text,
                               mode_t mode = 0600);
// fsync of a folder, after a rename or an unlink in it that must last.
Result<void> sync_folder(const std::filesystem::path& path);

// Who holds a lock, and what to do about it.
struct LockWords {
    std::string_view holder = "hakod";
    std::string_view advice = "stop that one, or use another --root";
};

// An exclusive flock(2) on a file that holds the owner's pid; the kernel drops it with the process.
class FileLock {
public:
    // ErrorKind::conflict names the pid that holds it.
    static Result<FileLock> acquire(const std::filesystem::path& path, const LockWords& words = {});

private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace hako::store
