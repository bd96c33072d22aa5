#include "base/base64.h"

#include <algorithm>
#include <optional>

namespace hako {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<unsigned> digit(char c) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    const auto found = kDigits.find(c);
    if (found == kDigits.npos) return std::nullopt;
    return static_cast<unsigned>(found);
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto piece = bytes.substr(i, 3);
        unsigned bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = bits << 8U | (j < piece.size() ? static_cast<unsigned char>(piece[j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            text += j <= piece.size() ? kDigits[bits >> (18 - 6 * j) & 63U] : '=';
    }
    return text;
}

std::string encode_base64url(std::string_view bytes) {
    auto text = encode_base64(bytes);
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
}

Result<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string decoded;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const auto value = digit(c);
        if (!value) return fail(ErrorKind::invalid, "the text is not base64");
        bits = (bits << 6U | *value) & 0xffffU;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        decoded += static_cast<char>(bits >> count);
    }
    if (count == 6) return fail(ErrorKind::invalid, "the text is not base64");
    return decoded;
}

}  // namespace hako
