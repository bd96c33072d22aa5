// Takes the daemon's multiplexed stream apart: frames of 8 bytes {1 stdout, 2 stderr; 0; 0; 0; u32
// big-endian length} and their data, cut anywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace hako::cli {

enum class OutputStream : std::uint8_t { out = 1, err = 2 };

class Demultiplexer {
public:
    using Sink = std::function<Result<void>(OutputStream, std::span<const std::byte>)>;
    explicit Demultiplexer(Sink sink) : sink_(std::move(sink)) {}

    // ErrorKind::corrupt when the bytes are no such stream; a system error's text (stream 3) is
    // returned as ErrorKind::internal.
    Result<void> feed(std::span<const std::byte> data);
    // At the stream's end: ErrorKind::corrupt when a frame is cut off.
    Result<void> finish() const;

private:
    static constexpr std::size_t kHeader = 8;
    static constexpr std::uint8_t kSystemError = 3;

    Result<void> begin_frame();

    Sink sink_;
    std::array<std::byte, kHeader> header_{};
    std::size_t header_bytes_ = 0;
    std::uint32_t left_ = 0;  // of the frame's data
    std::string system_error_;
};

}  // namespace hako::cli
