#include "http/websocket_frame.h"

#include <algorithm>

#include "base/fd.h"

namespace hako::http {
namespace {

constexpr unsigned kLast = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kLengthBits = 0x7f;
constexpr unsigned kLength16 = 126;
constexpr unsigned kLength64 = 127;
constexpr std::size_t kMostOfControl = 125;

bool is_known(unsigned opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = (value << 8U) | static_cast<unsigned char>(c);
    return value;
}

void append_big_endian(std::string& bytes, std::uint64_t value, unsigned count) {
    for (unsigned shift = count * 8; shift > 0; shift -= 8)
        bytes += static_cast<char>((value >> (shift - 8)) & 0xffU);
}

}  // namespace

Result<std::optional<FrameHeader>> take_frame_header(std::string& bytes) {
    if (bytes.size() < 2) return std::optional<FrameHeader>();
    const unsigned first = static_cast<unsigned char>(bytes[0]);
    const unsigned second = static_cast<unsigned char>(bytes[1]);
    const unsigned opcode = first & 0x0fU;
    if ((first & kReserved) != 0 || !is_known(opcode))
        return fail(ErrorKind::invalid, "a frame of an unknown kind");
    if ((second & kMasked) == 0) return fail(ErrorKind::invalid, "a frame without a mask");
    FrameHeader header;
    header.last = (first & kLast) != 0;
    header.opcode = static_cast<FrameHeader::Opcode>(opcode);
    header.length = second & kLengthBits;
    if (header.is_control() && (!header.last || header.length > kMostOfControl))
        return fail(ErrorKind::invalid, "a control frame that is in parts or too long");
    const std::size_t length_bytes = header.length == kLength16   ? 2
                                     : header.length == kLength64 ? 8
                                                                  : 0;
    const std::size_t size = 2 + length_bytes + header.mask.size();
    if (bytes.size() < size) return std::optional<FrameHeader>();
    const std::string_view rest = std::string_view(bytes).substr(2);
    if (length_bytes != 0) header.length = big_endian(rest.substr(0, length_bytes));
    if ((header.length >> 63U) != 0)
        return fail(ErrorKind::invalid, "a frame with a negative length");
    std::ranges::copy(as_bytes(rest.substr(length_bytes, header.mask.size())), header.mask.begin());
    bytes.erase(0, size);
    return std::optional(header);
}

void unmask(std::span<std::byte> payload, const FrameHeader& header, std::uint64_t position) {
    for (std::byte& byte : payload) byte ^= header.mask[position++ % header.mask.size()];
}

std::string encode_frame(FrameHeader::Opcode opcode, std::string_view payload) {
    std::string frame(1, static_cast<char>(kLast | static_cast<unsigned>(opcode)));
    if (payload.size() < kLength16) {
        append_big_endian(frame, payload.size(), 1);
    } else if (payload.size() <= 0xffff) {
        append_big_endian(frame, kLength16, 1);
        append_big_endian(frame, payload.size(), 2);
    } else {
        append_big_endian(frame, kLength64, 1);
        append_big_endian(frame, payload.size(), 8);
    }
    frame += payload;
    return frame;
}

}  // namespace hako::http
