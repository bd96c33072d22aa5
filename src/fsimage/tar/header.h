// Header blocks of a tar: POSIX ustar (IEEE 1003.1, pax, "ustar Interchange Format"), the GNU
// format with its base-256 numbers and old sparse files, and the tar of V7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage {

constexpr std::size_t kTarBlock = 512;
using TarBlock = std::span<const std::byte, kTarBlock>;

// A piece of a sparse file that is stored; all between the pieces are holes.
struct SparsePiece {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

struct TarHeader {
    std::string name;  // with the ustar prefix joined
    std::string link;
    char type = '0';
    std::uint32_t mode = 0;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::uint64_t size = 0;  // bytes stored behind the header
    std::int64_t mtime = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    // GNU type 'S' only.
    std::vector<SparsePiece> sparse;
    std::uint64_t sparse_size = 0;
    bool sparse_continues = false;  // the next block holds more pieces
};

bool is_zero_block(TarBlock block);
// ErrorKind::corrupt when the checksum or a number is wrong.
Result<TarHeader> parse_tar_header(TarBlock block);
// A block of more pieces behind a GNU sparse header; returns whether another one follows.
Result<bool> parse_sparse_block(TarBlock block, std::vector<SparsePiece>& pieces);

// Pieces in rising order that end within `size` and hold `stored` bytes in all.
Result<void> check_sparse(const std::vector<SparsePiece>& pieces, std::uint64_t size,
                          std::uint64_t stored);

}  // namespace hako::fsimage
