#include "macos/boot_code.h"

#include <unistd.h>

#include "base/fd.h"
#include "fsimage/output_file.h"
#include "macos/little_endian.h"

namespace hako::macos {
namespace {

constexpr std::size_t kDiskCode = 440;
constexpr std::string_view kEnd("\x55\xaa", 2);
// The file system's description, behind the jump over it.
constexpr std::size_t kFields = 3;
constexpr std::size_t kFieldsSize = 87;
constexpr std::size_t kMark = 496;
constexpr std::size_t kMarkSize = 14;
constexpr std::uint64_t kCopy = 6;  // the sector with FAT32's copy of the first

}  // namespace

Result<void> validate(const BootCode& code) {
    if (code.disk.size() < kDiskCode || code.disk.size() > kSector)
        return fail(ErrorKind::corrupt, "its boot0 has {} bytes: it is no boot code",
                    code.disk.size());
    if (code.partition.size() != kSector || !code.partition.ends_with(kEnd))
        return fail(ErrorKind::corrupt, "its boot1f32 is no boot sector");
    return {};
}

Result<void> write_boot_code(int fd, const Partition& partition, const BootCode& code,
                             std::string_view digest) {
    const auto start = partition.first * kSector;
    std::string sector(kSector, '\0');
    const auto count = ::pread(fd, sector.data(), sector.size(), static_cast<off_t>(start));
    if (count != static_cast<ssize_t>(sector.size()))
        return fail_errno(errno, "cannot read the partition's first sector");
    const auto fields = sector.substr(kFields, kFieldsSize);
    sector = code.partition;
    put(sector, kFields, fields);
    put(sector, kMark, digest.substr(0, kMarkSize));
    HAKO_CHECK(fsimage::write_at(fd, 0, as_bytes(code.disk).first(kDiskCode)));
    for (const std::uint64_t at : {std::uint64_t{0}, kCopy})
        HAKO_CHECK(fsimage::write_at(fd, start + at * kSector, as_bytes(sector)));
    return {};
}

}  // namespace hako::macos
