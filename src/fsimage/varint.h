// Numbers and texts of the layer index: LEB128, and texts with their length before them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hako::fsimage {

inline void put_number(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80U);
        value >>= 7U;
    }
    out += static_cast<char>(value);
}
// Zigzag: small negative numbers stay short.
inline void put_signed(std::string& out, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    put_number(out, bits << 1U ^ (value < 0 ? ~std::uint64_t{0} : 0));
}
inline void put_text(std::string& out, std::string_view text) {
    put_number(out, text.size());
    out += text;
}

// Takes values off the front of a text. Past the end, or where a number is malformed, it gives
// zeros and empty texts, and good() is false from then on.
class VarintReader {
public:
    explicit VarintReader(std::string_view text) : rest_(text) {}

    bool good() const { return good_; }
    std::string_view rest() const { return rest_; }

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) break;
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
            if (byte < 0x80) return value;
        }
        return spoiled();
    }
    std::uint32_t number32() {
        const std::uint64_t value = number();
        return static_cast<std::uint32_t>(value <= 0xFFFFFFFFU ? value : spoiled());
    }
    std::int64_t signed_number() {
        const std::uint64_t bits = number();
        return static_cast<std::int64_t>(bits >> 1U ^ (~(bits & 1U) + 1));
    }
    std::string_view text() {
        const std::uint64_t size = number();
        if (size > rest_.size()) {
            spoiled();
            return {};
        }
        const std::string_view text = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(text.size());
        return text;
    }

private:
    std::uint64_t spoiled() {
        good_ = false;
        rest_ = {};
        return 0;
    }

    std::string_view rest_;
    bool good_ = true;
};

}  // namespace hako::fsimage
