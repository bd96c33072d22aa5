// Writes the data blob of a layer: contents of files one after another, each from a new 4 KiB
// block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace hako::fsimage {

constexpr std::uint64_t kBlockSize = 4096;
constexpr std::uint64_t block_count(std::uint64_t bytes) {
    return bytes / kBlockSize + (bytes % kBlockSize != 0 ? 1 : 0);
}

// Gathers small files into large writes. What is skipped stays a hole and reads as zeros.
class BlobWriter {
public:
    explicit BlobWriter(int fd);  // borrowed; an empty file

    // Where the next file begins, as a block number.
    std::uint64_t begin_file() const { return block_count(end_); }
    // Its contents: offset counts from the start of the file that began at that block.
    Result<void> write(std::uint64_t block, std::uint64_t offset, std::span<const std::byte> data);
    // The file that began at `block` is `size` bytes long, a hole at its end included.
    void end_file(std::uint64_t block, std::uint64_t size) { end_ = block * kBlockSize + size; }
    // Writes what is left, pads to a whole block; returns the length of the blob.
    Result<std::uint64_t> finish();

private:
    Result<void> flush();

    int fd_;
    std::uint64_t end_ = 0;           // of the last file
    std::uint64_t buffer_start_ = 0;  // where in the blob the buffer belongs
    std::vector<std::byte> buffer_;
};

}  // namespace hako::fsimage
