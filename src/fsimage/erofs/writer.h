// Turns a tree into the metadata of an EROFS whose files lie in the layers' data blobs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "fsimage/tree.h"

namespace hako::fsimage::erofs {

struct ImageOptions {
    std::array<std::uint8_t, 16> uuid{};
    // Length of each layer's data blob in blocks, bottom first; they follow the metadata.
    std::vector<std::uint64_t> blob_blocks;
};

// All of the metadata, a multiple of 4096 bytes. ErrorKind::too_large when metadata and blobs
// together have more than 2^32 - 1 blocks (16 TiB).
Result<std::vector<std::byte>> write_metadata(const Tree& tree, const ImageOptions& options);

}  // namespace hako::fsimage::erofs
