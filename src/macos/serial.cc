#include "macos/serial.h"

#include <algorithm>
#include <array>
#include <vector>

namespace hako::macos {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
constexpr int kBase = 34;
// Two letters a year, one for each half, from 2010 on; used again from 2020.
constexpr std::string_view kYears = "CDFGHJKLMNPQRSTVWXYZ";
constexpr int kFirstYear = 2010;
constexpr int kYearCycle = 10;
// The character of a week is at its number; the second half of the year begins again.
constexpr std::string_view kWeekDigits = "0123456789CDFGHJKLMNPQRTVWX123456789CDFGHJKLMNPQRTVWXY";
constexpr int kSecondHalf = 27;  // its first week
constexpr int kLineStep = 68;    // of a line's first character
constexpr int kTwoCharacters = kBase * kBase - 1;

constexpr std::size_t kSerialLength = 12;
constexpr std::size_t kMlbLength = 17;
constexpr std::array<std::string_view, 4> kBlocks1 = {"200", "600", "403", "802"};
constexpr std::array<std::string_view, 5> kBlocks2 = {"GU", "4N", "J9", "QX", "CD"};
constexpr std::array<std::string_view, 11> kBlocks3 = {"1H", "1M", "AD", "1F", "A8", "UE",
                                                       "JA", "JC", "8C", "CB", "FB"};

int value_of(char c) {
    const auto at = kDigits.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}
char digit(int value) { return kDigits[static_cast<std::size_t>(value)]; }

Result<void> check_text(std::string_view text, std::string_view what, std::size_t length) {
    if (text.size() != length)
        return fail(ErrorKind::invalid, "{} has {} characters, \"{}\" has {}", what, length, text,
                    text.size());
    for (const char c : text)
        if (value_of(c) < 0)
            return fail(ErrorKind::invalid,
                        "{} is made of digits and capital letters without I and O: \"{}\" is not",
                        what, text);
    return {};
}

int checksum(std::string_view mlb) {
    int sum = 0;
    for (std::size_t i = 0; i < mlb.size(); ++i) sum += value_of(mlb[i]) * (i % 2 == 1 ? 3 : 1);
    return sum % kBase;
}

int between(int first, int last, const Draw& draw) {
    return first + static_cast<int>(draw(static_cast<std::uint32_t>(last - first + 1)));
}

ProductionDate week_before(ProductionDate date) {
    if (date.week > 1) return {date.year, date.week - 1};
    return {date.year - 1, kWeeks};
}

// The last year of that letter in the model's time.
int year_of_letter(int index, const Model& model) {
    int year = kFirstYear + index / 2;
    while (year + kYearCycle <= model.last_year) year += kYearCycle;
    return year;
}

}  // namespace

Result<std::string> write_serial(const Serial& serial) {
    const auto& [year, week] = serial.date;
    if (serial.plant.size() != 3 || serial.model_code.size() != 4)
        return fail(ErrorKind::invalid, "a serial's plant has 3 and its model 4 characters");
    if (year < kFirstYear || week < 1 || week > kWeeks || serial.line < 0 || serial.line >= kLines)
        return fail(ErrorKind::invalid, "no serial is made in week {} of {} on line {}", week, year,
                    serial.line);
    const int letter = (year - kFirstYear) % kYearCycle * 2 + (week >= kSecondHalf ? 1 : 0);
    const int first = serial.line > kTwoCharacters
                          ? (serial.line - kTwoCharacters + kLineStep - 1) / kLineStep
                          : 0;
    const int rest = serial.line - first * kLineStep;
    return fmt::format("{}{}{}{}{}{}{}", serial.plant, kYears[static_cast<std::size_t>(letter)],
                       kWeekDigits[static_cast<std::size_t>(week)], digit(first),
                       digit(rest / kBase), digit(rest % kBase), serial.model_code);
}

Result<Serial> read_serial(std::string_view text, const Model& model) {
    HAKO_CHECK(check_text(text, "a Mac's serial number (SN)", kSerialLength));
    const auto letter = kYears.find(text[3]);
    if (letter == std::string_view::npos)
        return fail(ErrorKind::invalid,
                    "the serial number {} is wrong: its fourth character, '{}', stands for no year",
                    text, text[3]);
    const auto half = letter % 2 == 0 ? 1 : kSecondHalf;
    const auto week = kWeekDigits.find(text[4], static_cast<std::size_t>(half));
    if (week == std::string_view::npos || (half == 1 && week >= kSecondHalf))
        return fail(ErrorKind::invalid,
                    "the serial number {} is wrong: its fifth character, '{}', stands for no week "
                    "of that half of the year",
                    text, text[4]);
    const int line = kLineStep * value_of(text[5]) + kBase * value_of(text[6]) + value_of(text[7]);
    return Serial{.plant = std::string(text.substr(0, 3)),
                  .date = {year_of_letter(static_cast<int>(letter), model), static_cast<int>(week)},
                  .line = line,
                  .model_code = std::string(text.substr(8))};
}

Serial draw_serial(const Model& model, const Draw& draw) {
    return {.plant = std::string(model.plant()),
            .date = {.year = between(model.first_year, model.last_year, draw),
                     .week = between(1, kWeeks, draw)},
            .line = between(0, kLines - 1, draw),
            .model_code = model.model_code};
}

Result<void> check_mlb(std::string_view text) {
    HAKO_CHECK(check_text(text, "a board's serial number (MLB)", kMlbLength));
    if (checksum(text) != 0)
        return fail(ErrorKind::invalid,
                    "the board's serial number (MLB) {} is mistyped: its checksum is wrong", text);
    return {};
}

std::optional<std::string> draw_mlb(const Model& model, ProductionDate built, const Draw& draw) {
    const auto date = week_before(built);
    std::vector<std::string> good;
    for (const auto block1 : kBlocks1)
        for (const auto block2 : kBlocks2)
            for (const auto block3 : kBlocks3) {
                auto mlb = fmt::format("{}{}{:02}{}{}{}{}", model.plant(), date.year % 10,
                                       date.week, block1, block2, model.board_code, block3);
                if (checksum(mlb) == 0) good.push_back(std::move(mlb));
            }
    if (good.empty()) return std::nullopt;
    return std::move(good[draw(static_cast<std::uint32_t>(good.size()))]);
}

}  // namespace hako::macos
