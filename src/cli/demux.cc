#include "cli/demux.h"

#include <algorithm>

#include "base/fd.h"

namespace hako::cli {

Result<void> Demultiplexer::begin_frame() {
    const auto stream = std::to_integer<std::uint8_t>(header_[0]);
    if (stream > kSystemError || header_[1] != std::byte{0} || header_[2] != std::byte{0} ||
        header_[3] != std::byte{0})
        return fail(ErrorKind::corrupt, "the daemon's stream is damaged: a bad frame header");
    left_ = 0;
    for (std::size_t i = 4; i < kHeader; ++i)
        left_ = left_ << 8U | std::to_integer<std::uint32_t>(header_[i]);
    return {};
}

Result<void> Demultiplexer::feed(std::span<const std::byte> data) {
    while (!data.empty()) {
        if (left_ == 0) {
            const auto take = std::min(data.size(), kHeader - header_bytes_);
            std::copy_n(data.begin(), take, header_.begin() + header_bytes_);
            header_bytes_ += take;
            data = data.subspan(take);
            if (header_bytes_ < kHeader) return {};
            header_bytes_ = 0;
            HAKO_CHECK(begin_frame());
            continue;
        }
        const auto part = data.first(std::min<std::size_t>(data.size(), left_));
        data = data.subspan(part.size());
        left_ -= static_cast<std::uint32_t>(part.size());
        const auto stream = std::to_integer<std::uint8_t>(header_[0]);
        if (stream == kSystemError) {
            system_error_ += as_text(part);
            if (left_ == 0)
                return fail(ErrorKind::internal, "error from daemon in stream: {}", system_error_);
            continue;
        }
        // Stream 0 (stdin's echo) counts as output, as it does for docker.
        HAKO_CHECK(sink_(stream == 2 ? OutputStream::err : OutputStream::out, part));
    }
    return {};
}

Result<void> Demultiplexer::finish() const {
    if (left_ > 0 || header_bytes_ > 0)
        return fail(ErrorKind::corrupt, "the daemon's stream ended in the middle of a frame");
    return {};
}

}  // namespace hako::cli
