// Apple's disk images (UDIF, .dmg), as far as one must know them to tell whether QEMU can read one.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace hako::macos {

struct UdifInfo {
    std::uint64_t disk_bytes = 0;  // of the disk that is in the image
};

// ErrorKind::corrupt when it is no whole image; invalid when it is compressed in a way that QEMU
// does not read, with what to do.
Result<UdifInfo> check_udif(const std::filesystem::path& file);

}  // namespace hako::macos
