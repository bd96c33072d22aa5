// Standard input of a process in a VM.
#pragma once

#include <span>
#include <stop_token>

#include "base/result.h"

namespace hako::runtime {

// One thread at a time. What was written before the stream is destroyed still reaches the process.
class InputStream {
public:
    InputStream() = default;
    InputStream(const InputStream&) = delete;
    InputStream& operator=(const InputStream&) = delete;
    virtual ~InputStream() = default;
    // Blocks until the process takes it; on a container that was not started yet, until it is.
    // ErrorKind::cancelled when stop is requested, conflict or unavailable when the process has
    // ended.
    virtual Result<void> write(std::span<const std::byte> data, std::stop_token stop) = 0;
    // No more will come, or the client went away: the process sees the end of its input if it was
    // made so (stdin_once without a terminal; any exec), once it has read all.
    virtual Result<void> close(std::stop_token stop) = 0;
};

}  // namespace hako::runtime
