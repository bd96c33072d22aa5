// libext2fs with owners and Results.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

// It declares what it includes as C only when it is the one that includes it.
#include <ext2fs/ext2fs.h>

#include "base/result.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage::ext4 {

struct Close {
    void operator()(ext2_filsys fs) const { ext2fs_free(fs); }
};
// Freed without a flush: what was not closed was not finished.
using Handle = std::unique_ptr<struct_ext2_filsys, Close>;

struct CloseXattrs {
    void operator()(ext2_xattr_handle* handle) const { ext2fs_xattrs_close(&handle); }
};
using Xattrs = std::unique_ptr<ext2_xattr_handle, CloseXattrs>;
// Of an inode; nothing is read yet.
Result<Xattrs> open_xattrs(ext2_filsys fs, ext2_ino_t inode);

// "cannot <what>: ..."; a full file system is ErrorKind::exhausted.
Result<void> check(errcode_t error, std::string_view what);

// An inode's time: 34 bits of seconds from 1901 on, 30 of nanoseconds.
struct InodeTime {
    std::uint32_t seconds;
    std::uint32_t extra;
};
InodeTime encode_time(const Timestamp& time);  // clamped to what fits
Timestamp decode_time(const InodeTime& time);

}  // namespace hako::fsimage::ext4
