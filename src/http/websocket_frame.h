// Frames of a WebSocket (RFC 6455 5.2) as bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::http {

struct FrameHeader {
    enum class Opcode : std::uint8_t {
        continuation = 0,
        text = 1,
        binary = 2,
        close = 8,
        ping = 9,
        pong = 10,
    };
    bool last = true;  // of its message
    Opcode opcode = Opcode::binary;
    std::uint64_t length = 0;
    std::array<std::byte, 4> mask{};

    bool is_control() const { return opcode >= Opcode::close; }
};

// Takes a client's header off the front of the bytes; nullopt when it is not there as a whole yet.
// ErrorKind::invalid for what the protocol does not allow.
Result<std::optional<FrameHeader>> take_frame_header(std::string& bytes);
// In place; position: of the first byte within the payload.
void unmask(std::span<std::byte> payload, const FrameHeader& header, std::uint64_t position);
// A server's frame: a whole message, not masked.
std::string encode_frame(FrameHeader::Opcode opcode, std::string_view payload);

}  // namespace hako::http
