#include "fsimage/erofs/xattr.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/fd.h"
#include "fsimage/erofs/format.h"
#include "fsimage/index.h"

namespace hako::fsimage::erofs {
namespace {

struct Prefix {
    std::string_view text;
    std::uint8_t index;
    bool whole;  // the prefix is the whole name
};
constexpr std::array<Prefix, 5> kPrefixes{{
    {"user.", 1, false},
    {"system.posix_acl_access", 2, true},
    {"system.posix_acl_default", 3, true},
    {"trusted.", 4, false},
    {"security.", 6, false},
}};

struct ShortName {
    std::uint8_t prefix;
    std::string_view name;
};

std::optional<ShortName> shorten(std::string_view name) {
    if (name.starts_with("trusted.overlay.")) return std::nullopt;
    for (const Prefix& prefix : kPrefixes) {
        if (!name.starts_with(prefix.text)) continue;
        name.remove_prefix(prefix.text.size());
        if (name.empty() != prefix.whole) return std::nullopt;
        return ShortName{prefix.index, name};
    }
    return std::nullopt;
}

std::size_t record_size(const ShortName& name, std::string_view value) {
    return (sizeof(XattrRecord) + name.name.size() + value.size() + 3) / 4 * 4;
}

}  // namespace

Result<std::uint32_t> xattr_size(std::string_view encoded) {
    constexpr std::size_t kMost = sizeof(XattrHeader) + std::size_t{0xFFFE} * 4;
    std::size_t size = 0;
    XattrCursor cursor(encoded);
    while (const auto xattr = cursor.next()) {
        if (const auto name = shorten(xattr->name)) size += record_size(*name, xattr->value);
    }
    if (size == 0) return 0;
    size += sizeof(XattrHeader);
    if (size > kMost)
        return fail(ErrorKind::invalid, "a file of the image has {} bytes of extended attributes",
                    size);
    return static_cast<std::uint32_t>(size);
}

void write_xattrs(std::string_view encoded, std::span<std::byte> out) {
    if (out.empty()) return;
    out = out.subspan(sizeof(XattrHeader));
    XattrCursor cursor(encoded);
    while (const auto xattr = cursor.next()) {
        const auto name = shorten(xattr->name);
        if (!name) continue;
        const XattrRecord record{static_cast<std::uint8_t>(name->name.size()), name->prefix,
                                 static_cast<std::uint16_t>(xattr->value.size())};
        std::byte* const at = out.data();
        std::memcpy(at, &record, sizeof record);
        std::memcpy(at + sizeof record, name->name.data(), name->name.size());
        std::memcpy(at + sizeof record + name->name.size(), xattr->value.data(),
                    xattr->value.size());
        out = out.subspan(record_size(*name, xattr->value));
    }
}

std::optional<std::map<std::string, std::string>> parse_xattrs(std::span<const std::byte> in) {
    XattrHeader header{};
    std::memcpy(&header, in.data(), sizeof header);
    if (header.shared_count != 0) return std::nullopt;
    in = in.subspan(sizeof header);
    std::map<std::string, std::string> xattrs;
    while (!in.empty()) {
        XattrRecord record{};
        std::memcpy(&record, in.data(), sizeof record);  // lengths are multiples of 4
        const auto prefix = std::ranges::find(kPrefixes, record.prefix, &Prefix::index);
        const std::size_t length = sizeof record + record.name_size + record.value_size;
        if (prefix == kPrefixes.end() || length > in.size()) return std::nullopt;
        const std::string_view text = as_text(in.subspan(sizeof record, length - sizeof record));
        std::string name(prefix->text);
        name += text.substr(0, record.name_size);
        xattrs.emplace(std::move(name), text.substr(record.name_size));
        in = in.subspan((length + 3) / 4 * 4);
    }
    return xattrs;
}

}  // namespace hako::fsimage::erofs
