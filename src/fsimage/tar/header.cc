#include "fsimage/tar/header.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/fd.h"

namespace hako::fsimage {
namespace {

using namespace std::string_view_literals;

// Where fields lie, as {offset, length}.
struct Field {
    std::size_t offset;
    std::size_t length;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kLink{157, 100};
constexpr Field kMagicField{257, 8};
constexpr Field kMajor{329, 8};
constexpr Field kMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr std::size_t kSparse = 386;  // GNU: 4 pieces in the header, 21 in a block of their own
constexpr std::size_t kSparseContinues = 482;
constexpr Field kSparseSize{483, 12};
constexpr std::size_t kSparseBlockContinues = 504;

std::string_view raw(TarBlock block, Field field) {
    return as_text(block).substr(field.offset, field.length);
}

std::string_view text(TarBlock block, Field field) {
    const std::string_view bytes = raw(block, field);
    return bytes.substr(0, bytes.find('\0'));
}

tl::unexpected<Error> bad_number(std::string_view what) {
    return fail(ErrorKind::corrupt, "a tar header has a {} that is no number", what);
}

// GNU: the top bit marks a big-endian two's complement number in the other bits.
Result<std::int64_t> parse_base256(std::string_view bytes, std::string_view what) {
    const bool negative = (static_cast<unsigned char>(bytes[0]) & 0x40U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::uint64_t byte = static_cast<unsigned char>(bytes[i]);
        if (i == 0) byte = negative ? byte : byte & 0x7FU;
        const std::uint64_t lost = value >> 55U;  // must be all sign, or the number has 65 bits
        if (lost != (negative ? 0x1FFU : 0U)) return bad_number(what);
        value = value << 8U | byte;
    }
    return static_cast<std::int64_t>(value);
}

Result<std::int64_t> parse_octal(std::string_view bytes, std::string_view what) {
    constexpr std::string_view kPadding = " \0"sv;
    const std::size_t first = bytes.find_first_not_of(kPadding);
    if (first == std::string_view::npos) return 0;
    bytes = bytes.substr(first);
    bytes = bytes.substr(0, bytes.find_first_of(kPadding));
    std::int64_t value = 0;
    for (const char digit : bytes) {
        if (digit < '0' || digit > '7') return bad_number(what);
        value = value * 8 + (digit - '0');  // 12 digits at most: no overflow
    }
    return value;
}

Result<std::int64_t> number(TarBlock block, Field field, std::string_view what) {
    const std::string_view bytes = raw(block, field);
    if ((static_cast<unsigned char>(bytes[0]) & 0x80U) != 0) return parse_base256(bytes, what);
    return parse_octal(bytes, what);
}

Result<std::uint64_t> natural(TarBlock block, Field field, std::string_view what) {
    HAKO_TRY(const std::int64_t value, number(block, field, what));
    if (value < 0) return fail(ErrorKind::corrupt, "a tar header has a negative {}", what);
    return static_cast<std::uint64_t>(value);
}

Result<std::uint32_t> natural32(TarBlock block, Field field, std::string_view what) {
    HAKO_TRY(const std::uint64_t value, natural(block, field, what));
    if (value > std::numeric_limits<std::uint32_t>::max()) return bad_number(what);
    return static_cast<std::uint32_t>(value);
}

Result<void> check_checksum(TarBlock block) {
    // The field itself counts as spaces; some old programs summed signed characters.
    std::int64_t plain = 0;
    std::int64_t with_sign = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
        const auto byte =
            own ? static_cast<unsigned char>(' ') : std::to_integer<unsigned char>(block[i]);
        plain += byte;
        with_sign += static_cast<signed char>(byte);
    }
    HAKO_TRY(const std::int64_t stored, number(block, kChecksum, "checksum"));
    if (stored != plain && stored != with_sign)
        return fail(ErrorKind::corrupt, "a tar header is damaged (its checksum is wrong)");
    return {};
}

// Pieces end at the first empty slot.
Result<void> parse_pieces(TarBlock block, std::size_t offset, std::size_t count,
                          std::vector<SparsePiece>& pieces) {
    for (std::size_t i = 0; i < count; ++i, offset += 24) {
        if (block[offset] == std::byte{0}) break;
        HAKO_TRY(const auto start, natural(block, {offset, 12}, "sparse offset"));
        HAKO_TRY(const auto length, natural(block, {offset + 12, 12}, "sparse length"));
        pieces.push_back({start, length});
    }
    return {};
}

Result<void> parse_names(TarBlock block, TarHeader& header) {
    header.name = text(block, kName);
    header.link = text(block, kLink);
    const std::string_view magic = raw(block, kMagicField);
    if (magic.starts_with("ustar\0"sv)) {
        if (const std::string_view prefix = text(block, kPrefix); !prefix.empty())
            header.name = fmt::format("{}/{}", prefix, header.name);
    }
    if (magic.starts_with("ustar"sv) && (header.type == '3' || header.type == '4')) {
        HAKO_TRY(header.major, natural32(block, kMajor, "device number"));
        HAKO_TRY(header.minor, natural32(block, kMinor, "device number"));
    }
    return {};
}

}  // namespace

bool is_zero_block(TarBlock block) {
    return std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{0}; });
}

Result<TarHeader> parse_tar_header(TarBlock block) {
    HAKO_CHECK(check_checksum(block));
    TarHeader header;
    header.type = static_cast<char>(block[kType]);
    HAKO_CHECK(parse_names(block, header));
    HAKO_TRY(const std::uint64_t mode, natural(block, kMode, "mode"));
    header.mode = static_cast<std::uint32_t>(mode & 07777U);
    HAKO_TRY(header.uid, number(block, kUid, "uid"));
    HAKO_TRY(header.gid, number(block, kGid, "gid"));
    HAKO_TRY(header.size, natural(block, kSize, "size"));
    HAKO_TRY(header.mtime, number(block, kMtime, "time"));
    if (header.type == 'S') {
        HAKO_CHECK(parse_pieces(block, kSparse, 4, header.sparse));
        header.sparse_continues = block[kSparseContinues] != std::byte{0};
        HAKO_TRY(header.sparse_size, natural(block, kSparseSize, "size"));
    }
    return header;
}

Result<bool> parse_sparse_block(TarBlock block, std::vector<SparsePiece>& pieces) {
    HAKO_CHECK(parse_pieces(block, 0, 21, pieces));
    return block[kSparseBlockContinues] != std::byte{0};
}

Result<void> check_sparse(const std::vector<SparsePiece>& pieces, std::uint64_t size,
                          std::uint64_t stored) {
    std::uint64_t end = 0;
    std::uint64_t sum = 0;
    for (const SparsePiece& piece : pieces) {
        if (piece.offset < end || piece.offset > size || piece.length > size - piece.offset)
            return fail(ErrorKind::corrupt, "a sparse file in the tar has a damaged map");
        end = piece.offset + piece.length;
        sum += piece.length;
    }
    if (sum != stored)
        return fail(ErrorKind::corrupt, "a sparse file in the tar has a map that does not fit it");
    return {};
}

}  // namespace hako::fsimage
