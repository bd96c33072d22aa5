#include "base/stream.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace hako {
namespace {

constexpr std::size_t kPieceBytes = 256U << 10U;

}  // namespace

Result<std::size_t> TextReader::read(std::span<std::byte> buffer) {
    const auto piece = std::string_view(text_).substr(position_, std::min(buffer.size(), step_));
    std::ranges::copy(as_bytes(piece), buffer.begin());
    position_ += piece.size();
    return piece.size();
}

Result<std::uint64_t> copy_all(Reader& from, Writer& to) {
    std::vector<std::byte> buffer(kPieceBytes);
    for (std::uint64_t total = 0;;) {
        HAKO_TRY(const auto count, from.read(buffer));
        if (count == 0) return total;
        HAKO_CHECK(to.write(std::span(buffer).first(count)));
        total += count;
    }
}

Result<void> drain(Reader& from) {
    std::vector<std::byte> buffer(kPieceBytes);
    while (true) {
        HAKO_TRY(const auto count, from.read(buffer));
        if (count == 0) return {};
    }
}

}  // namespace hako
