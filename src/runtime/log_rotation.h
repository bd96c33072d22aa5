// A log's files: the one that is written, and older ones named .1 (the newest of them), .2 ...
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"

namespace hako::runtime {

// max-size and max-file of Docker's log options.
struct LogLimits {
    std::uint64_t max_bytes = 0;  // of one file; 0: no limit
    unsigned max_files = 1;       // the written one included
};

// "<path>.<number>"; number 0 is the path itself.
std::filesystem::path rotated_log(const std::filesystem::path& path, unsigned number);
// Makes room for a new file at `path`: the others move up by one, the oldest beyond max_files goes.
Result<void> rotate_log(const std::filesystem::path& path, unsigned max_files);
// The oldest file that there is.
std::filesystem::path oldest_log(const std::filesystem::path& path);
// The file that was written before (older) or after (newer) the open one; nullopt when there is
// none, and for `newer` also when the open one is the written one.
std::optional<std::filesystem::path> older_log(const std::filesystem::path& path, int fd);
std::optional<std::filesystem::path> newer_log(const std::filesystem::path& path, int fd);

}  // namespace hako::runtime
