#include "base/disk_reserve.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "base/units.h"

namespace hako {
namespace {

constexpr std::uint64_t kStep = 16 * kMiB;
constexpr std::uint64_t kMostByDefault = kGiB;
constexpr std::uint64_t kShareByDefault = 100;  // 1 / this

}  // namespace

Result<void> DiskReserve::spend(std::uint64_t bytes) {
    if (bytes <= credit_) {
        credit_ -= bytes;
        return {};
    }
    struct statvfs disk {};
    if (::fstatvfs(fd_, &disk) != 0) return fail_errno(errno, "cannot tell how full the disk is");
    const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::uint64_t reserve = reserve_.value_or(
        std::min(kMostByDefault, std::uint64_t{disk.f_blocks} * disk.f_frsize / kShareByDefault));
    if (free < reserve || free - reserve < bytes)
        return fail(ErrorKind::exhausted,
                    "no space left on the disk: {} bytes are free, of which {} are kept free "
                    "(min-free-space); hako image prune makes room",
                    free, reserve);
    credit_ = std::min(kStep, free - reserve - bytes);
    return {};
}

}  // namespace hako
