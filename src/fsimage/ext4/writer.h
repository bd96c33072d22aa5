// A disk with the files of a tar: ext4, written without mounting it and without being root.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/stream.h"
#include "fsimage/ext4/format.h"

namespace hako::fsimage {

// The tar is plain and as export_tar() writes it: every name once, folders before what they hold,
// hard links after what they name; anything else is ErrorKind::invalid. Blocks of zeros become
// holes. A disk that is too small is ErrorKind::exhausted; on an error no file is left, and an
// existing one is ErrorKind::conflict.
Result<void> write_ext4(Reader& tar, const std::filesystem::path& path, const Ext4Options& options);

// How large a disk has to be for so many files with contents of so many bytes in blocks of 4 KiB,
// and a quarter more to work with.
std::uint64_t ext4_size_for(std::uint64_t inodes, std::uint64_t content_bytes);

}  // namespace hako::fsimage
