#include "fsimage/blob_writer.h"

#include <unistd.h>

#include <cerrno>

#include "fsimage/output_file.h"

namespace hako::fsimage {

namespace {
constexpr std::size_t kBufferSize = 1U << 20U;
}  // namespace

BlobWriter::BlobWriter(int fd) : fd_(fd) { buffer_.reserve(kBufferSize); }

Result<void> BlobWriter::write(std::uint64_t block, std::uint64_t offset,
                               std::span<const std::byte> data) {
    const std::uint64_t position = block * kBlockSize + offset;
    const std::uint64_t buffered_to = buffer_start_ + buffer_.size();
    const std::uint64_t gap = position - buffered_to;  // to the next block, or a hole
    if (gap < kBlockSize && buffer_.size() + gap + data.size() <= kBufferSize) {
        buffer_.resize(buffer_.size() + static_cast<std::size_t>(gap));
        buffer_.insert(buffer_.end(), data.begin(), data.end());
        return {};
    }
    HAKO_CHECK(flush());
    buffer_start_ = position;
    if (data.size() < kBufferSize / 8) {
        buffer_.assign(data.begin(), data.end());
        return {};
    }
    HAKO_CHECK(write_at(fd_, position, data));
    buffer_start_ += data.size();
    return {};
}

Result<void> BlobWriter::flush() {
    HAKO_CHECK(write_at(fd_, buffer_start_, buffer_));
    buffer_start_ += buffer_.size();
    buffer_.clear();
    return {};
}

Result<std::uint64_t> BlobWriter::finish() {
    HAKO_CHECK(flush());
    const std::uint64_t length = block_count(end_) * kBlockSize;
    if (::ftruncate(fd_, static_cast<off_t>(length)) != 0)
        return fail_errno(errno, "cannot write image data of {} bytes", length);
    return length;
}

}  // namespace hako::fsimage
