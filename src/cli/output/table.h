// Columns of text, three spaces apart.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace hako::cli {

using Row = std::vector<std::string>;

// docker's tables have columns of at least ten, those of `top` of twenty characters, gap included.
constexpr std::size_t kNarrowestColumn = 10;

// One line a row; the last cell of a row is not padded.
std::string format_table(const std::vector<Row>& rows,
                         std::size_t narrowest_column = kNarrowestColumn);

}  // namespace hako::cli
