#include "cli/flags/moment.h"

#include "base/units.h"

namespace hako::cli {

Result<std::string> parse_moment(const std::string& text) {
    if (text.find_first_not_of("0123456789.") == std::string::npos) return text;
    WallTime time;
    if (const auto span = parse_duration(text)) {
        time = now() - *span;
    } else {
        // A date alone, or one without a zone, is UTC.
        auto whole = text;
        if (whole.size() == std::string_view("2026-11-22").size()) whole += "T00:00:00";
        const auto clock = whole.find_first_of("Tt");
        if (clock != std::string::npos && whole.find_first_of("Zz+-", clock) == std::string::npos)
            whole += "Z";
        const auto parsed = parse_time(whole);
        if (!parsed)
            return fail(ErrorKind::invalid,
                        "\"{}\" is neither a time, such as 2026-11-22T09:30:00Z, nor a span, such "
                        "as 42m",
                        text);
        time = *parsed;
    }
    constexpr std::int64_t kNano = 1'000'000'000;
    const auto count = time.time_since_epoch().count();
    return fmt::format("{}.{:09}", count / kNano, count % kNano);
}

}  // namespace hako::cli
