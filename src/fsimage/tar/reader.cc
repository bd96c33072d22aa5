#include "fsimage/tar/reader.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hako::fsimage {
namespace {

// A multiple of kTarBlock: blocks never straddle the buffer's end.
constexpr std::size_t kBufferSize = 256 * 1024;
static_assert(kBufferSize % kTarBlock == 0);
// Of one extended header or long name (archive/tar has the same limit).
constexpr std::uint64_t kMaxSpecial = 1U << 20U;
constexpr std::size_t kMaxPieces = 1U << 20U;

std::uint64_t padding_of(std::uint64_t size) { return (kTarBlock - size % kTarBlock) % kTarBlock; }

Result<EntryType> entry_type(char type, std::string_view path) {
    switch (type) {
        case '0':
        case '\0':
        case '7':  // "contiguous", a hint only
        case 'S': return path.ends_with('/') ? EntryType::directory : EntryType::file;
        case '1': return EntryType::hardlink;
        case '2': return EntryType::symlink;
        case '3': return EntryType::character_device;
        case '4': return EntryType::block_device;
        case '5': return EntryType::directory;
        case '6': return EntryType::fifo;
        default:
            return fail(ErrorKind::invalid, "{} has a type that layers may not hold (flag {:#x})",
                        path, static_cast<unsigned char>(type));
    }
}

Result<std::uint32_t> checked_id(std::int64_t id, std::string_view path) {
    if (id < 0 || id > std::numeric_limits<std::uint32_t>::max())
        return fail(ErrorKind::invalid, "{} belongs to the user or group {}, out of range", path,
                    id);
    return static_cast<std::uint32_t>(id);
}

tl::unexpected<Error> cut_off() {
    return fail(ErrorKind::corrupt, "the tar ends too early: fetch the layer again");
}

}  // namespace

TarReader::TarReader(Reader& source) : source_(source), buffer_(kBufferSize) {}

// How many bytes lie ready in the buffer, reading more when there are none; 0 at the end.
Result<std::size_t> TarReader::available() {
    if (begin_ < end_) return end_ - begin_;
    begin_ = end_ = 0;
    while (end_ < buffer_.size()) {
        HAKO_TRY(const std::size_t count, source_.read(std::span(buffer_).subspan(end_)));
        if (count == 0) break;
        end_ += count;
    }
    return end_;
}

Result<std::optional<TarBlock>> TarReader::next_block() {
    HAKO_TRY(const std::size_t ready, available());
    if (ready == 0) return std::nullopt;
    if (ready < kTarBlock) return cut_off();
    const auto block = std::span(buffer_).subspan(begin_).first<kTarBlock>();
    begin_ += kTarBlock;
    return TarBlock(block);
}

Result<TarBlock> TarReader::need_block() {
    HAKO_TRY(const auto block, next_block());
    if (!block) return cut_off();
    return *block;
}

// The contents of an extended header or a long name.
Result<std::string> TarReader::read_special(std::uint64_t size) {
    if (size > kMaxSpecial)
        return fail(ErrorKind::too_large, "an extended header of the tar has {} bytes", size);
    std::string text;
    while (text.size() < size) {
        HAKO_TRY(const TarBlock block, need_block());
        text += as_text(block).substr(0, size - text.size());
    }
    return text;
}

Result<void> TarReader::skip_rest() {
    std::uint64_t rest = stored_ + padding_;
    while (rest > 0) {
        HAKO_TRY(const std::size_t ready, available());
        if (ready == 0) return cut_off();
        const std::uint64_t step = std::min<std::uint64_t>(ready, rest);
        begin_ += step;
        rest -= step;
    }
    stored_ = padding_ = 0;
    pieces_.clear();
    return {};
}

// The next header of a file, with the extended headers and long names before it applied.
Result<std::optional<TarReader::Described>> TarReader::next_header() {
    PaxRecords pax;
    std::optional<std::string> long_name;
    std::optional<std::string> long_link;
    for (;;) {
        HAKO_TRY(const std::optional<TarBlock> block, next_block());
        if (!block) return cut_off();
        if (is_zero_block(*block)) return std::nullopt;
        HAKO_TRY(TarHeader header, parse_tar_header(*block));
        const auto special = [&] { return read_special(header.size); };
        switch (header.type) {
            case 'x': {
                HAKO_TRY(const std::string text, special());
                HAKO_TRY(pax, parse_pax(text));
                break;
            }
            case 'g': HAKO_CHECK(special()); break;
            case 'L': {
                HAKO_TRY(const std::string text, special());
                long_name = text.substr(0, text.find('\0'));
                break;
            }
            case 'K': {
                HAKO_TRY(const std::string text, special());
                long_link = text.substr(0, text.find('\0'));
                break;
            }
            default: {
                while (header.sparse_continues) {
                    HAKO_TRY(const TarBlock more, need_block());
                    HAKO_TRY(header.sparse_continues, parse_sparse_block(more, header.sparse));
                    if (header.sparse.size() > kMaxPieces) return cut_off();
                }
                if (long_name) header.name = *std::move(long_name);
                if (long_link) header.link = *std::move(long_link);
                return Described{std::move(header), std::move(pax)};
            }
        }
    }
}

Result<TarEntry> TarReader::describe(Described described) {
    auto& [header, pax] = described;
    TarEntry entry;
    entry.path = pax.path ? *std::move(pax.path) : std::move(header.name);
    if (pax.sparse_name) entry.path = *std::move(pax.sparse_name);
    entry.link = pax.link ? *std::move(pax.link) : std::move(header.link);
    HAKO_TRY(entry.type, entry_type(header.type, entry.path));
    entry.mode = header.mode;
    entry.mtime = pax.mtime.value_or(Timestamp{header.mtime, 0});
    entry.major = header.major;
    entry.minor = header.minor;
    HAKO_TRY(entry.uid, checked_id(pax.uid.value_or(header.uid), entry.path));
    HAKO_TRY(entry.gid, checked_id(pax.gid.value_or(header.gid), entry.path));
    HAKO_CHECK(begin_content(described, entry));
    entry.xattrs = std::move(pax.xattrs);
    return entry;
}

Result<void> TarReader::begin_content(Described& described, TarEntry& entry) {
    auto& [header, pax] = described;
    // Others have no contents, whatever their size field says.
    if (entry.type != EntryType::file) return {};
    stored_ = pax.size.value_or(header.size);
    if (stored_ > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return fail(ErrorKind::corrupt, "{} has an impossible size in the tar", entry.path);
    padding_ = padding_of(stored_);
    piece_ = 0;
    piece_done_ = 0;
    entry.size = stored_;
    pieces_ = {{0, stored_}};
    if (header.type == 'S') {
        entry.size = header.sparse_size;
        pieces_ = std::move(header.sparse);
    } else if (pax.sparse_in_front || pax.sparse_mapped) {
        if (!pax.sparse_size)
            return fail(ErrorKind::corrupt, "{} is a sparse file of unknown size", entry.path);
        entry.size = *pax.sparse_size;
        pieces_ = std::move(pax.sparse);
        if (pax.sparse_in_front) HAKO_CHECK(read_sparse_map(pieces_));
    }
    return check_sparse(pieces_, entry.size, stored_);
}

// GNU sparse 1.0: decimal lines before the contents, padded to a block: count, then pairs.
Result<void> TarReader::read_sparse_map(std::vector<SparsePiece>& pieces) {
    pieces.clear();
    std::string line;
    std::optional<std::uint64_t> values_left;
    bool is_offset = true;
    while (!values_left || *values_left > 0) {
        if (stored_ < kTarBlock) return cut_off();
        stored_ -= kTarBlock;
        HAKO_TRY(const TarBlock block, need_block());
        for (const char character : as_text(block)) {
            if (values_left == 0) break;
            if (character != '\n') {
                line += character;
                if (line.size() > 20) return cut_off();
                continue;
            }
            HAKO_TRY(const std::uint64_t value, parse_tar_decimal(line));
            line.clear();
            if (!values_left) {
                if (value > kMaxPieces) return cut_off();
                values_left = 2 * value;
                continue;
            }
            if (is_offset) pieces.push_back({value, 0});
            else pieces.back().length = value;
            is_offset = !is_offset;
            --*values_left;
        }
    }
    return {};
}

Result<std::optional<TarEntry>> TarReader::next() {
    HAKO_CHECK(skip_rest());
    HAKO_TRY(auto described, next_header());
    if (!described) return std::nullopt;
    return describe(*std::move(described));
}

Result<std::optional<TarReader::Piece>> TarReader::next_piece() {
    while (piece_ < pieces_.size() && piece_done_ == pieces_[piece_].length) {
        ++piece_;
        piece_done_ = 0;
    }
    if (piece_ >= pieces_.size()) return std::nullopt;
    HAKO_TRY(const std::size_t ready, available());
    if (ready == 0) return cut_off();
    const SparsePiece& piece = pieces_[piece_];
    const std::uint64_t count = std::min<std::uint64_t>(ready, piece.length - piece_done_);
    const Piece result{piece.offset + piece_done_,
                       std::span(buffer_).subspan(begin_, static_cast<std::size_t>(count))};
    begin_ += static_cast<std::size_t>(count);
    piece_done_ += count;
    stored_ -= count;
    return result;
}

Result<void> TarReader::drain() {
    for (;;) {
        HAKO_TRY(const std::size_t ready, available());
        if (ready == 0) return {};
        begin_ = end_;
    }
}

}  // namespace hako::fsimage
