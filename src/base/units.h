// Text <-> sizes, times and identifiers, as Docker's tools write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

// "512m", "1.5g", "64KiB", "1024": binary multiples, suffix b k m g t p (with or without iB or b),
// any case. Bytes.
Result<std::uint64_t> parse_bytes(std::string_view text);
// Decimal multiples with at most four significant digits, as `docker images` prints: "4.26MB".
std::string format_bytes(std::uint64_t bytes);

// Go durations: "1h30m", "500ms", "10s".
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
// "About a minute", "3 hours": the coarse spans that docker ps prints.
std::string format_span(std::chrono::seconds span);

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
WallTime now();
// RFC 3339 with nine digits, UTC: "2026-11-22T09:30:00.000000001Z". The unset time (WallTime{}) is
// "0001-01-01T00:00:00Z", as Docker's API writes it.
std::string format_time(WallTime time);
Result<WallTime> parse_time(std::string_view text);

// 64 hexadecimal digits from the kernel's random source.
std::string random_id();

}  // namespace hako
