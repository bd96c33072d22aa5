// Extended attributes as EROFS keeps them behind an inode.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::fsimage::erofs {

// Bytes that the attributes of an inode take, header included; 0 when there are none to keep.
// `encoded` is what XattrCursor walks. Attributes of namespaces that EROFS does not know are left
// out, and so is trusted.overlay.*, which the overlay on top would take for its own.
// ErrorKind::invalid when there are more than an inode can have.
Result<std::uint32_t> xattr_size(std::string_view encoded);

// Writes them; `out` has the size of above and is zero.
void write_xattrs(std::string_view encoded, std::span<std::byte> out);

// Reads them back; nullopt for what write_xattrs() would not have written.
std::optional<std::map<std::string, std::string>> parse_xattrs(std::span<const std::byte> in);

// The inode's field for attributes of that size.
constexpr std::uint16_t xattr_count(std::uint32_t size) {
    return static_cast<std::uint16_t>(size == 0 ? 0 : (size - 12) / 4 + 1);
}

}  // namespace hako::fsimage::erofs
