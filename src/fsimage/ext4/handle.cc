#include "fsimage/ext4/handle.h"

#include <algorithm>
#include <mutex>

namespace hako::fsimage::ext4 {

Result<void> check(errcode_t error, std::string_view what) {
    if (error == 0) return {};
    // Numbers below the libraries' own tables are errno.
    if (error < 256) return fail_errno(static_cast<int>(error), "cannot {}", what);
    static std::once_flag tables;
    std::call_once(tables, initialize_ext2_error_table);
    const bool full = error == EXT2_ET_BLOCK_ALLOC_FAIL || error == EXT2_ET_INODE_ALLOC_FAIL;
    return fail(full ? ErrorKind::exhausted : ErrorKind::internal, "cannot {}: {}", what,
                error_message(error));
}

Result<Xattrs> open_xattrs(ext2_filsys fs, ext2_ino_t inode) {
    ext2_xattr_handle* handle = nullptr;
    HAKO_CHECK(check(ext2fs_xattrs_open(fs, inode, &handle), "open extended attributes"));
    return Xattrs(handle);
}

InodeTime encode_time(const Timestamp& time) {
    constexpr std::int64_t kFirst = INT32_MIN;
    constexpr std::int64_t kLast = kFirst + (std::int64_t{1} << 34U) - 1;
    const std::int64_t seconds = std::clamp(time.seconds, kFirst, kLast);
    // The low word is signed; the epoch bits add 2^32 seconds each.
    const auto epoch = static_cast<std::uint32_t>((seconds - kFirst) >> 32U);
    return {static_cast<std::uint32_t>(seconds), time.nanoseconds << 2U | epoch};
}

Timestamp decode_time(const InodeTime& time) {
    const std::int64_t epoch = time.extra & 3U;
    return {static_cast<std::int32_t>(time.seconds) + (epoch << 32U), time.extra >> 2U};
}

}  // namespace hako::fsimage::ext4
