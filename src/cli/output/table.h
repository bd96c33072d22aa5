// Columns of text, three spaces apart.
#pragma once

#include <string>
#include <vector>

namespace hako::cli {

using Row = std::vector<std::string>;

// One line a row; the last cell of a row is not padded unless it is shorter than its column (as
// docker's tabwriter does it).
std::string format_table(const std::vector<Row>& rows);

}  // namespace hako::cli
