// The bytes of a blob as attempt after attempt brings them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/stream.h"
#include "oci/manifest.h"
#include "oci/transport.h"

namespace hako::oci {

// Used by one thread. What it is given must outlive it.
class BlobStream {
public:
    using Received = std::function<void(std::uint64_t received)>;
    BlobStream(const Descriptor& descriptor, Writer& sink, const Received& received)
        : descriptor_(descriptor), sink_(sink), received_(received) {}

    std::uint64_t written() const { return written_; }
    bool complete() const { return written_ == descriptor_.size; }

    // Before each attempt.
    void restart() { skip_.reset(); }
    // Bytes of an answer to a request for all from written() on. ErrorKind::corrupt when there are
    // more than the descriptor says.
    Result<void> take(const HttpResponse& head, std::span<const std::byte> data);

private:
    Result<void> begin(const HttpResponse& head);

    const Descriptor& descriptor_;
    Writer& sink_;
    const Received& received_;
    std::uint64_t written_ = 0;
    std::optional<std::uint64_t> skip_;  // bytes of this attempt that are here already
};

}  // namespace hako::oci
