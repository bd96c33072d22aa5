// Layers as registries store them - gzip, zstd or plain - read as plain bytes.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/stream.h"

namespace hako::fsimage {

// A Reader of the plain bytes that also tells how many stored bytes it has taken so far.
// Several gzip members and zstd frames in a row are one stream (RFC 1952 2.2, RFC 8878 3.1).
class Decompressor : public Reader {
public:
    virtual std::uint64_t compressed_bytes() const = 0;
};

// Looks at the first bytes to choose. Borrows the source. Compressions that are known but not
// allowed in layers (bzip2, xz) are ErrorKind::unimplemented; damage met later is corrupt.
Result<std::unique_ptr<Decompressor>> open_decompressor(Reader& source);

}  // namespace hako::fsimage
