// Numbers of on-disk structures, least byte first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hako::macos {

inline void put(std::string& into, std::size_t at, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) into[at + i] = static_cast<char>(value >> (8 * i));
}
inline void put(std::string& into, std::size_t at, std::string_view text) {
    into.replace(at, text.size(), text);
}

}  // namespace hako::macos
