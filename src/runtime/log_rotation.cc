#include "runtime/log_rotation.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMostFiles = 1000;

bool is_same_file(const fs::path& path, int fd) {
    struct stat named {
    }, open{};
    return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 &&
           named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

bool is_there(const fs::path& path) { return ::access(path.c_str(), F_OK) == 0; }

// How old the open file is; nullopt when it was rotated away.
std::optional<unsigned> number_of(const fs::path& path, int fd) {
    for (unsigned number = 0; number <= kMostFiles; ++number) {
        const auto file = rotated_log(path, number);
        if (is_same_file(file, fd)) return number;
        if (number > 0 && !is_there(file)) return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

fs::path rotated_log(const fs::path& path, unsigned number) {
    return number == 0 ? path : fs::path(fmt::format("{}.{}", path.native(), number));
}

Result<void> rotate_log(const fs::path& path, unsigned max_files) {
    if (max_files <= 1) {
        if (::unlink(path.c_str()) != 0)
            return fail_errno(errno, "cannot remove the full log {}", path.native());
        return {};
    }
    unsigned last = 0;
    while (last + 1 < max_files && is_there(rotated_log(path, last))) ++last;
    for (unsigned number = last; number > 0; --number)
        if (::rename(rotated_log(path, number - 1).c_str(), rotated_log(path, number).c_str()) != 0)
            return fail_errno(errno, "cannot rotate the log {}", path.native());
    return {};
}

fs::path oldest_log(const fs::path& path) {
    unsigned number = 0;
    while (number < kMostFiles && is_there(rotated_log(path, number + 1))) ++number;
    return rotated_log(path, number);
}

std::optional<fs::path> older_log(const fs::path& path, int fd) {
    const auto number = number_of(path, fd);
    if (!number || !is_there(rotated_log(path, *number + 1))) return std::nullopt;
    return rotated_log(path, *number + 1);
}

std::optional<fs::path> newer_log(const fs::path& path, int fd) {
    const auto number = number_of(path, fd);
    if (number && *number == 0) return std::nullopt;
    const auto newer = number ? rotated_log(path, *number - 1) : oldest_log(path);
    return is_there(newer) ? std::optional(newer) : std::nullopt;
}

}  // namespace hako::runtime
