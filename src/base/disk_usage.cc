#include "base/disk_usage.h"

#include <sys/stat.h>

namespace hako {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_of_blocks(const fs::path& path) {
    constexpr std::uint64_t kStatBlock = 512;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
}

}  // namespace

std::uint64_t disk_usage(const fs::path& path) {
    std::uint64_t bytes = bytes_of_blocks(path);
    std::error_code error;
    if (!fs::is_directory(fs::symlink_status(path, error))) return bytes;
    constexpr auto kSkip = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(path, kSkip, error), end; !error && at != end;
         at.increment(error))
        bytes += bytes_of_blocks(at->path());
    return bytes;
}

}  // namespace hako
