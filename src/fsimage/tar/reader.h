// Reads a tar front to back, with bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "fsimage/tar/entry.h"
#include "fsimage/tar/header.h"
#include "fsimage/tar/pax.h"

namespace hako::fsimage {

// Own code, not libarchive: that cuts a pax name at a NUL without a word, converts names to the
// locale's characters, and cannot tell a tar that ends from one that was cut off between two
// entries. Accepts what Go's archive/tar accepts, which reads layers everywhere else, but wants the
// end marked. Not thread-safe.
class TarReader {
public:
    explicit TarReader(Reader& source);

    // The next file; nullopt at the end of the archive. What was not read of the last one is
    // skipped. Global extended headers are passed over.
    Result<std::optional<TarEntry>> next();

    // Contents of the file that next() returned last, in rising order; what lies between two pieces
    // is a hole, reads as zeros. nullopt at the end. The bytes are valid until the next call.
    struct Piece {
        std::uint64_t offset;
        std::span<const std::byte> bytes;
    };
    Result<std::optional<Piece>> next_piece();

    // After the end of the archive: reads the source to its own end (padding of the last record).
    Result<void> drain();

private:
    // A header and all that was said before it.
    struct Described {
        TarHeader header;
        PaxRecords pax;
    };

    Result<std::size_t> available();
    Result<std::optional<TarBlock>> next_block();
    Result<TarBlock> need_block();
    Result<std::string> read_special(std::uint64_t size);
    Result<void> skip_rest();
    Result<std::optional<Described>> next_header();
    Result<TarEntry> describe(Described described);
    Result<void> begin_content(Described& described, TarEntry& entry);
    Result<void> read_sparse_map(std::vector<SparsePiece>& pieces);

    Reader& source_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;

    std::vector<SparsePiece> pieces_;  // of the contents that are still to come
    std::size_t piece_ = 0;
    std::uint64_t piece_done_ = 0;
    std::uint64_t stored_ = 0;   // bytes of contents still to read
    std::uint64_t padding_ = 0;  // up to the next block
};

}  // namespace hako::fsimage
