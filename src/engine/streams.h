// What a client that is attached to a process reads and writes. Both ends outlive the container:
// after its end, reading ends and writing fails.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace hako::engine {

struct OutputChunk {
    enum class Stream { out = 1, err = 2 };
    WallTime time{};
    Stream stream = Stream::out;
    std::string data;  // bytes as they came, not lines
};

// Follows a process' output. One thread at a time.
class OutputStream {
public:
    OutputStream() = default;
    OutputStream(const OutputStream&) = delete;
    OutputStream& operator=(const OutputStream&) = delete;
    virtual ~OutputStream() = default;
    // Blocks for the next chunk; nullopt is the end. ErrorKind::cancelled when stop is requested.
    virtual Result<std::optional<OutputChunk>> next(std::stop_token stop) = 0;
};

// Standard input of a process. One thread at a time.
class InputStream {
public:
    InputStream() = default;
    InputStream(const InputStream&) = delete;
    InputStream& operator=(const InputStream&) = delete;
    virtual ~InputStream() = default;
    // Blocks until the process takes it; on a container that was not started yet, until it is.
    // ErrorKind::cancelled when stop is requested, conflict when the process has ended.
    virtual Result<void> write(std::span<const std::byte> data, std::stop_token stop) = 0;
    // The client has no more, or went away: the process sees the end of its input if it was made
    // so (stdin_once without a terminal; any exec).
    virtual Result<void> close(std::stop_token stop) = 0;
};

struct Session {
    std::unique_ptr<OutputStream> output;  // both streams; null if not asked for
    std::unique_ptr<InputStream> input;    // null if not asked for, or if the process has none
    bool tty = false;
};

}  // namespace hako::engine
