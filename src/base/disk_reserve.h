// What writes a lot leaves a part of the disk free for everybody else.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"

namespace hako {

// Used by one thread.
class DiskReserve {
public:
    // fd: a file or folder on the disk, borrowed. reserve: bytes that stay free; by default a
    // hundredth of the disk, at most 1 GiB.
    explicit DiskReserve(int fd, std::optional<std::uint64_t> reserve = {})
        : fd_(fd), reserve_(reserve) {}

    // Of bytes that are about to be written. ErrorKind::exhausted when too few stay free. The disk
    // is asked every 16 MiB only.
    Result<void> spend(std::uint64_t bytes);

private:
    int fd_;
    std::optional<std::uint64_t> reserve_;
    std::uint64_t credit_ = 0;  // may be written before the disk is asked again
};

}  // namespace hako
