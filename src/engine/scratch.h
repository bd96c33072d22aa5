// The disk that a container writes to.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace hako::engine {

// Of that many bytes, with the folders that its overlay needs, as fsimage::format_ext4(). Without
// checksums of metadata: an emulated processor takes a fifth of the time for them in which it makes
// small files, and what the disk holds is the container's, which goes with it.
Result<void> make_scratch(const std::filesystem::path& path, std::uint64_t size);

}  // namespace hako::engine
