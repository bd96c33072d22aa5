// Small texts of listings, as docker writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/units.h"

namespace hako::cli {

// "sha256:0123456789abcdef…" or an id: the first 12 digits.
std::string short_id(std::string_view id);
// At most `width` characters (code points), the last one "…" when something is left out.
std::string ellipsis(std::string_view text, std::size_t width);
// "2 minutes ago"; "N/A" for the unset time.
std::string time_ago(WallTime then, WallTime now);
// A Unix time as Go prints it: "2026-11-22 09:30:00 +0000 UTC".
std::string go_time(std::int64_t unix_seconds);
// Columns that a terminal needs for UTF-8 text; each code point counts one.
std::size_t display_width(std::string_view text);
// Decimal multiples with three significant digits, as docker prints an image's size: "4.26MB".
std::string format_size(std::uint64_t bytes);
// Binary multiples with four significant digits, as docker stats prints memory: "1.5GiB".
std::string format_binary_size(std::uint64_t bytes);
// In double quotes, with escapes, as Go's strconv.Quote.
std::string go_quote(std::string_view text);

}  // namespace hako::cli
