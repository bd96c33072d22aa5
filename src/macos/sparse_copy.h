// Copies of disks, which are large and mostly empty.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace hako::macos {

// Shares the blocks where the file system can (btrfs, XFS); else copies what is no hole. On the
// disk when it returns. Nothing of the copy stays after an error.
Result<void> copy_sparse(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace hako::macos
