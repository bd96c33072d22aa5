#include "base/units.h"

#include <sys/random.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <ctime>

#include "base/text.h"

namespace hako {
namespace {

constexpr std::string_view kUnsetTime = "0001-01-01T00:00:00Z";

struct DurationUnit {
    std::string_view suffix;
    double nanoseconds;
};
constexpr std::array kDurationUnits{
    DurationUnit{"ns", 1},  DurationUnit{"us", 1e3}, DurationUnit{"ms", 1e6},
    DurationUnit{"s", 1e9}, DurationUnit{"m", 60e9}, DurationUnit{"h", 3600e9},
};

template <typename T>
bool take_number(std::string_view& text, std::size_t digits, T& number) {
    if (text.size() < digits) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
    if (error != std::errc{} || end != text.data() + digits) return false;
    text.remove_prefix(digits);
    return true;
}

bool take(std::string_view& text, char expected) {
    if (text.empty() || std::toupper(static_cast<unsigned char>(text.front())) != expected)
        return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorKind::invalid,
                    "'{}' is no size; write a number with b, k, m, g or t, such as 512m", text);
    };
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(number) || number < 0) return bad();
    std::string suffix = to_lower(text.substr(static_cast<std::size_t>(end - text.data())));
    if (!suffix.empty() && suffix.front() == ' ') suffix.erase(0, 1);
    if (suffix.size() > 1 && suffix.ends_with("ib")) suffix.resize(suffix.size() - 2);
    else if (suffix.size() > 1 && suffix.ends_with("b")) suffix.pop_back();
    constexpr std::string_view kSuffixes = "bkmgtp";
    std::size_t power = 0;
    if (!suffix.empty()) {
        power = kSuffixes.find(suffix);
        if (suffix.size() != 1 || power == std::string_view::npos) return bad();
    }
    const double bytes = number * std::pow(1024.0, static_cast<double>(power));
    if (bytes >= 9.2e18) return bad();
    return static_cast<std::uint64_t>(bytes);
}

std::string format_bytes(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 7> kNames{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1000.0 && unit + 1 < kNames.size()) {
        value /= 1000.0;
        ++unit;
    }
    return fmt::format("{:.4g}{}", value, kNames[unit]);
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    const auto bad = [&] {
        return fail(ErrorKind::invalid, "'{}' is no duration; write one such as 90s or 1h30m",
                    text);
    };
    std::string_view rest = text;
    if (rest == "0") return std::chrono::nanoseconds(0);
    if (rest.empty()) return bad();
    double total = 0;
    while (!rest.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number,
                                                  std::chars_format::fixed);
        if (error != std::errc{} || !std::isfinite(number) || number < 0) return bad();
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const auto length = std::min(rest.find_first_of("0123456789."), rest.size());
        const auto suffix = rest.substr(0, length);
        double unit = 0;
        for (const auto& known : kDurationUnits)
            if (known.suffix == suffix) unit = known.nanoseconds;
        if (unit == 0) return bad();
        total += number * unit;
        rest.remove_prefix(length);
    }
    if (total >= 9.2e18) return bad();
    return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

std::string format_span(std::chrono::seconds span) {
    const auto seconds = span.count();
    const auto minutes = seconds / 60;
    const auto hours = (minutes + 30) / 60;
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 14) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 60) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", hours / 24 / 365);
}

WallTime now() { return std::chrono::system_clock::now(); }

std::string format_time(WallTime time) {
    if (time == WallTime{}) return std::string(kUnsetTime);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const std::time_t count = seconds.time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&count, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       (time - seconds).count());
}

Result<WallTime> parse_time(std::string_view text) {
    if (text == kUnsetTime) return WallTime{};
    const auto bad = [&] { return fail(ErrorKind::invalid, "'{}' is no RFC 3339 time", text); };
    std::string_view rest = text;
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!take_number(rest, 4, year) || !take(rest, '-') || !take_number(rest, 2, month) ||
        !take(rest, '-') || !take_number(rest, 2, day) || !take(rest, 'T') ||
        !take_number(rest, 2, hour) || !take(rest, ':') || !take_number(rest, 2, minute) ||
        !take(rest, ':') || !take_number(rest, 2, second))
        return bad();
    std::int64_t nanoseconds = 0;
    if (take(rest, '.')) {
        const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        if (digits == 0 || digits > 9) return bad();
        std::string padded(rest.substr(0, digits));
        padded.resize(9, '0');
        std::from_chars(padded.data(), padded.data() + 9, nanoseconds);
        rest.remove_prefix(digits);
    }
    std::chrono::minutes offset{0};
    if (!take(rest, 'Z')) {
        const bool west = !rest.empty() && rest.front() == '-';
        int offset_hours = 0;
        int offset_minutes = 0;
        if ((!take(rest, '+') && !take(rest, '-')) || !take_number(rest, 2, offset_hours) ||
            !take(rest, ':') || !take_number(rest, 2, offset_minutes))
            return bad();
        offset = std::chrono::hours(offset_hours) + std::chrono::minutes(offset_minutes);
        if (west) offset = -offset;
    }
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (!rest.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second) + std::chrono::nanoseconds(nanoseconds) - offset;
}

std::string random_id() {
    std::array<unsigned char, 32> bytes{};
    // getrandom of 32 bytes never returns less once the kernel's pool is ready (getrandom(2)).
    while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    }
    std::string text;
    for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

}  // namespace hako
