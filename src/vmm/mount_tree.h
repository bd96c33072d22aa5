// Mounts that are no part of any tree yet (open_tree(2)), and where they are put.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/fd.h"
#include "base/result.h"

namespace hako::vmm {

// A copy of the mount at a descriptor's place, and of those below it, with these attributes added
// (MOUNT_ATTR_*).
Result<Fd> clone_mounts(int fd, std::uint64_t attributes);
// Puts it onto a folder, or onto a file if it is one.
Result<void> attach_mounts(const Fd& tree, const std::filesystem::path& target);

}  // namespace hako::vmm
