// Rows of the CSV tables in data/.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hako::macos {

struct TableRow {
    std::size_t line;  // counted from 1
    std::vector<std::string> fields;
};

// Without the heading and blank lines. Fields with commas are quoted; there are no quotes inside.
std::vector<TableRow> parse_rows(std::string_view csv);
// Their fields alone.
std::vector<std::vector<std::string>> parse_table(std::string_view csv);

}  // namespace hako::macos
