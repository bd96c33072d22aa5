#include "cli/output/text.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace hako::cli {
namespace {

struct Scaled {
    double size = 0;
    std::size_t unit = 0;  // how often it was divided
};
Scaled scale(std::uint64_t bytes, double step, double limit) {
    constexpr std::size_t kMostUnits = 6;
    Scaled scaled{static_cast<double>(bytes), 0};
    for (; scaled.size >= limit && scaled.unit < kMostUnits; ++scaled.unit) scaled.size /= step;
    return scaled;
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

}  // namespace

std::string short_id(std::string_view id) {
    constexpr std::size_t kShown = 12;
    if (const auto colon = id.find(':'); colon != std::string_view::npos)
        id.remove_prefix(colon + 1);
    return std::string(id.substr(0, kShown));
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string ellipsis(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) return std::string(text);
    if (width == 0) return {};
    std::size_t end = 0;
    for (std::size_t seen = 0; end < text.size(); ++end)
        if (begins_character(text[end]) && ++seen == width) break;
    return std::string(text.substr(0, end)) + "…";
}

std::string time_ago(WallTime then, WallTime now) {
    if (then == WallTime{}) return "N/A";
    const auto span = std::chrono::duration_cast<std::chrono::seconds>(now - then);
    return format_span(std::max(span, std::chrono::seconds(0))) + " ago";
}

std::string go_time(std::int64_t unix_seconds) {
    const std::time_t time = unix_seconds;
    std::tm local{};
    ::localtime_r(&time, &local);
    char text[64];
    return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &local)};
}

std::string format_size(std::uint64_t bytes) {
    constexpr double kRoundsUp = 999.5;  // to 1000, which has four digits
    const auto [size, unit] = scale(bytes, 1000, kRoundsUp);
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    return fmt::format("{:.3g}{}", size, kUnits[unit]);
}

std::string format_binary_size(std::uint64_t bytes) {
    const auto [size, unit] = scale(bytes, 1024, 1024);
    constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    return fmt::format("{:.4g}{}", size, kUnits[unit]);
}

std::string go_quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n') out += "\\n";
        else if (c == '\t') out += "\\t";
        else if (c == '\r') out += "\\r";
        else if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\x{:02x}", c);
        else out += c;
    }
    return out + "\"";
}

}  // namespace hako::cli
