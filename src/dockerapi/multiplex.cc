#include "dockerapi/multiplex.h"

#include "base/units.h"
#include "dockerapi/version.h"

namespace hako::dockerapi {

std::array<std::byte, 8> frame_header(engine::OutputChunk::Stream stream, std::uint32_t length) {
    return {std::byte(stream),
            std::byte(0),
            std::byte(0),
            std::byte(0),
            std::byte(length >> 24U),
            std::byte(length >> 16U),
            std::byte(length >> 8U),
            std::byte(length)};
}

std::string_view stream_type(const http::Request& request, bool tty) {
    const bool told_apart = version_of(request) >= ApiVersion{1, 42};
    return tty || !told_apart ? "application/vnd.docker.raw-stream"
                              : "application/vnd.docker.multiplexed-stream";
}

bool OutputWriter::wanted(engine::OutputChunk::Stream stream) const {
    return stream == engine::OutputChunk::Stream::out ? options_.out : options_.err;
}

Result<void> OutputWriter::write(const engine::OutputChunk& chunk) {
    if (!wanted(chunk.stream) || chunk.data.empty()) return {};
    std::string message;
    if (!options_.raw) message.resize(8);
    bool& in_line = in_line_[static_cast<std::size_t>(chunk.stream)];
    if (options_.timestamps && !in_line) message += format_time(chunk.time) + ' ';
    if (!in_line) message += options_.details;
    in_line = !chunk.data.ends_with('\n');
    message += chunk.data;
    if (!options_.raw) {
        const auto length = static_cast<std::uint32_t>(message.size() - 8);
        message.replace(0, 8, as_text(frame_header(chunk.stream, length)));
    }
    return client_.write(message);
}

Result<void> copy_output(engine::OutputStream& output, OutputWriter& writer, std::stop_token stop) {
    while (true) {
        HAKO_TRY(const auto chunk, output.next(stop));
        if (!chunk) return {};
        HAKO_CHECK(writer.write(*chunk));
    }
}

}  // namespace hako::dockerapi
