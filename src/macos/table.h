// Rows of the CSV tables in data/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hako::macos {

// Without the heading. Fields with commas are quoted; there are no quotes inside.
std::vector<std::vector<std::string>> parse_table(std::string_view csv);

}  // namespace hako::macos
