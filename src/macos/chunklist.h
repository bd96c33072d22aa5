// A chunklist (magic CNKL): the lengths and SHA-256 sums of the pieces of a recovery image, signed
// by its publisher with RSA-2048.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

constexpr std::size_t kMaxChunklist = 16U << 20U;

struct Chunk {
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    std::string sha256;  // 64 lower-case hexadecimal digits
};

struct Chunklist {
    std::vector<Chunk> chunks;  // in order, without gaps
    bool is_signed = false;     // by one of the trusted keys

    std::uint64_t image_bytes() const {
        return chunks.empty() ? 0 : chunks.back().offset + chunks.back().length;
    }
};

// Public keys that count: moduli of 2048 bits as big-endian hexadecimal digits; e is 65537.
using TrustedKeys = std::vector<std::string>;
// Those with which Apple signs its recovery images.
const TrustedKeys& apple_keys();

// ErrorKind::corrupt for a broken file. Whether it is signed by one of the keys is in the result:
// a bare sum instead of a signature (method 2) is none.
Result<Chunklist> read_chunklist(std::span<const std::byte> data, const TrustedKeys& keys);

}  // namespace hako::macos
