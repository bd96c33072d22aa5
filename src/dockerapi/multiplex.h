// The framing of two output streams on one connection: {1 out, 2 err; 0; 0; 0; u32 big-endian
// length} and the bytes (Docker Engine API, "Stream format" of attach).
#pragma once

#include <array>
#include <span>
#include <stop_token>

#include "engine/streams.h"
#include "http/message.h"

namespace hako::dockerapi {

std::array<std::byte, 8> frame_header(engine::OutputChunk::Stream stream, std::uint32_t length);

// The content type: clients before 1.42 know one name for both.
std::string_view stream_type(const http::Request& request, bool tty);

// Writes output to a client: framed, or raw for a terminal. One thread.
class OutputWriter {
public:
    struct Options {
        bool raw = false;
        bool out = true, err = true;  // the others are left out
        bool timestamps = false;      // each line begins with its time
        std::string details = {};     // and then with this
    };
    OutputWriter(http::ResponseStream& client, const Options& options)
        : client_(client), options_(options) {}

    Result<void> write(const engine::OutputChunk& chunk);

private:
    bool wanted(engine::OutputChunk::Stream stream) const;

    http::ResponseStream& client_;
    Options options_;
    std::array<bool, 3> in_line_{};  // by stream: the last chunk was a line's beginning
};

// Until the output ends, or the client is gone.
Result<void> copy_output(engine::OutputStream& output, OutputWriter& writer, std::stop_token stop);

}  // namespace hako::dockerapi
