// What a client that is attached to a process reads and writes. Both ends outlive the container:
// after its end, reading ends and writing fails.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "runtime/input_stream.h"

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

using runtime::InputStream;

struct Session {
    std::unique_ptr<OutputStream> output;  // both streams; null if not asked for
    std::unique_ptr<InputStream> input;    // null if not asked for, or if the process has none
    bool tty = false;
    // To be called when the client leaves by its detach keys; may be empty.
    std::function<void()> on_detach = {};
};

}  // namespace hako::engine
