#include "fsimage/tar/pax.h"

#include <charconv>
#include <limits>

namespace hako::fsimage {
namespace {

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";

struct Record {
    std::string_view key;
    std::string_view value;
};

tl::unexpected<Error> malformed() {
    return fail(ErrorKind::corrupt, "an extended header of the tar is malformed");
}

// Cuts "<length> <key>=<value>\n" off the front; length counts the whole record.
Result<Record> next_record(std::string_view& text) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return malformed();
    HAKO_TRY(const std::uint64_t length, parse_tar_decimal(text.substr(0, space)));
    if (length > text.size() || length < space + 3 || text[length - 1] != '\n') return malformed();
    const std::string_view body = text.substr(space + 1, length - space - 2);
    text.remove_prefix(length);
    const std::size_t equals = body.find('=');
    if (equals == 0 || equals == std::string_view::npos) return malformed();
    if (body.substr(0, equals).find('\0') != std::string_view::npos) return malformed();
    return Record{body.substr(0, equals), body.substr(equals + 1)};
}

Result<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || rest != end) return malformed();
    return value;
}

// "-1.25" is 1.25 s before 1970: {-2, 750000000}. Digits past the ninth are dropped.
Result<Timestamp> parse_timestamp(std::string_view text) {
    const std::size_t dot = text.find('.');
    const std::string_view whole = text.substr(0, dot);
    const bool negative = whole.starts_with('-');
    Timestamp time;
    if (whole != "-" && !whole.empty()) {
        HAKO_TRY(time.seconds, parse_integer(whole));
    }
    if (dot == std::string_view::npos) return time;

    std::uint32_t scale = 100'000'000;
    for (const char digit : text.substr(dot + 1)) {
        if (digit < '0' || digit > '9') return malformed();
        time.nanoseconds += static_cast<std::uint32_t>(digit - '0') * scale;
        scale /= 10;
    }
    if (negative && time.nanoseconds > 0) {
        if (time.seconds == std::numeric_limits<std::int64_t>::min()) return malformed();
        time.seconds -= 1;
        time.nanoseconds = 1'000'000'000 - time.nanoseconds;
    }
    return time;
}

Result<std::string> parse_name(std::string_view value) {
    if (value.find('\0') != std::string_view::npos)
        return fail(ErrorKind::invalid, "the tar names a file with a NUL in its name");
    return std::string(value);
}

// "offset,length,offset,length"
Result<std::vector<SparsePiece>> parse_map(std::string_view text) {
    std::vector<SparsePiece> pieces;
    bool is_offset = true;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        HAKO_TRY(const std::uint64_t value, parse_tar_decimal(text.substr(0, comma)));
        if (is_offset) pieces.push_back({value, 0});
        else pieces.back().length = value;
        is_offset = !is_offset;
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    }
    if (!is_offset) return malformed();
    return pieces;
}

Result<void> apply_sparse(std::string_view key, std::string_view value, PaxRecords& records) {
    if (key == "name") {
        HAKO_TRY(records.sparse_name, parse_name(value));
    } else if (key == "size" || key == "realsize") {
        HAKO_TRY(records.sparse_size, parse_tar_decimal(value));
    } else if (key == "map") {
        HAKO_TRY(records.sparse, parse_map(value));
        records.sparse_mapped = true;
    } else if (key == "offset") {
        HAKO_TRY(const std::uint64_t offset, parse_tar_decimal(value));
        records.sparse.push_back({offset, 0});
        records.sparse_mapped = true;
    } else if (key == "numbytes") {
        if (records.sparse.empty()) return malformed();
        HAKO_TRY(records.sparse.back().length, parse_tar_decimal(value));
    } else if (key == "major") {
        records.sparse_in_front = value == "1";
    }
    return {};
}

// An empty value takes the key back: the header's own field counts again.
Result<void> apply(const Record& record, PaxRecords& records) {
    const auto [key, value] = record;
    const bool given = !value.empty();
    const auto set = [&](auto& field, auto parse) -> Result<void> {
        field.reset();
        if (given) {
            HAKO_TRY(field, parse(value));
        }
        return {};
    };
    if (key == "path") return set(records.path, parse_name);
    if (key == "linkpath") return set(records.link, parse_name);
    if (key == "size") return set(records.size, parse_tar_decimal);
    if (key == "uid") return set(records.uid, parse_integer);
    if (key == "gid") return set(records.gid, parse_integer);
    if (key == "mtime") return set(records.mtime, parse_timestamp);
    if (key.starts_with(kXattrPrefix)) {
        records.xattrs[std::string(key.substr(kXattrPrefix.size()))] = value;
        return {};
    }
    constexpr std::string_view kSparsePrefix = "GNU.sparse.";
    if (key.starts_with(kSparsePrefix))
        return apply_sparse(key.substr(kSparsePrefix.size()), value, records);
    return {};
}

}  // namespace

Result<std::uint64_t> parse_tar_decimal(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc() || rest != end) return malformed();
    return value;
}

Result<PaxRecords> parse_pax(std::string_view text) {
    PaxRecords records;
    while (!text.empty()) {
        HAKO_TRY(const Record record, next_record(text));
        HAKO_CHECK(apply(record, records));
    }
    return records;
}

}  // namespace hako::fsimage
