// The serial numbers of a Mac (12 characters) and of its main logic board (MLB, 17 characters).
//
//   serial  plant 3, year 1, week 1, line 3, model 4
//   MLB     plant 3, year 1, week 2, block 3, block 2, board 4, block 2; a weighted sum is 0
//
// Both are written in base 34: digits and capitals without I and O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "macos/models.h"
#include "macos/random.h"

namespace hako::macos {

constexpr int kWeeks = 53;
constexpr int kLines = 3400;  // production lines

struct ProductionDate {
    int year = 0;
    int week = 0;  // 1 to kWeeks
};

struct Serial {
    std::string plant;
    ProductionDate date;
    int line = 0;
    std::string model_code;
};

// ErrorKind::invalid when the year is before 2010 or a part has a wrong length.
Result<std::string> write_serial(const Serial& serial);
// ErrorKind::invalid says which rule the text breaks. A letter stands for a year of every decade:
// the last one in which the model was built is meant.
Result<Serial> read_serial(std::string_view text, const Model& model);
Serial draw_serial(const Model& model, const Draw& draw);

// ErrorKind::invalid says which rule the text breaks: length, alphabet or checksum.
Result<void> check_mlb(std::string_view text);
// A board that was built in the week before its Mac; nullopt when no choice of the blocks gives the
// checksum.
std::optional<std::string> draw_mlb(const Model& model, ProductionDate built, const Draw& draw);

}  // namespace hako::macos
