// The root filesystem of an image: its layers merged into one EROFS (docs/formats/erofs.md).
#pragma once

#include <filesystem>
#include <span>

#include "base/result.h"

namespace hako::fsimage {

// What unpack_layer() wrote for one layer.
struct LayerFiles {
    std::filesystem::path data;
    std::filesystem::path index;
};

// Writes the metadata of the merged filesystem. The read-only disk is the concatenation
//   metadata, data blob 0, data blob 1, ...
// in the order of bottom_first; each part is a multiple of 4096 bytes, and a blob of no bytes adds
// nothing. Whiteouts are applied already. The same layers give the same bytes.
//
// The file appears complete or not at all (written beside its place, renamed). A layer that
// does not fit what lies below it - a hard link to nothing, a loop of symbolic links in a path - is
// ErrorKind::invalid; a damaged index or a data blob of another size is corrupt.
Result<void> write_view(std::span<const LayerFiles> bottom_first,
                        const std::filesystem::path& metadata);

}  // namespace hako::fsimage
