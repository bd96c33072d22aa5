// One layer of an image, unpacked once and shared by all images that have it: a data blob with the
// contents of its files, and an index that tells what lies where (docs/formats/layer.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "base/units.h"

namespace hako::fsimage {

// What a layer may grow to before it is taken for a bomb (ErrorKind::too_large), and what it leaves
// of the disk.
struct LayerLimits {
    std::uint64_t max_entries = 2'000'000;
    std::uint64_t max_bytes = 64 * kGiB;  // of the uncompressed tar, and of the data blob
    double max_ratio = 1000;              // uncompressed to compressed bytes ...
    std::uint64_t ratio_floor = kGiB;     // ... once this many uncompressed bytes were seen
    // Bytes of the disk that stay free (ErrorKind::exhausted), see DiskReserve.
    std::optional<std::uint64_t> min_free = {};
};

struct UnpackedLayer {
    std::string diff_id;           // "sha256:<hex>" of the whole uncompressed tar
    std::uint64_t tar_bytes = 0;   // length of the uncompressed tar
    std::uint64_t data_bytes = 0;  // length of the data blob, a multiple of 4096
    std::uint64_t entries = 0;     // entries in the index
};

// Reads a layer to its end - a tar, plain or compressed by gzip or zstd, told apart by magic - and
// writes both files. They appear complete or not at all: each is written beside its place and
// renamed, the index last. Memory stays bounded whatever the layer holds.
//
// Names are taken as container engines take them: leading slashes and "." components are dropped, a
// ".." component, a NUL and names that no Linux could hold are refused (invalid). Damage is
// corrupt, a full disk exhausted, a bomb too_large; the reader's own errors are passed on.
Result<UnpackedLayer> unpack_layer(Reader& layer, const std::filesystem::path& data,
                                   const std::filesystem::path& index,
                                   const LayerLimits& limits = {});

}  // namespace hako::fsimage
