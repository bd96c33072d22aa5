#include "macos/table.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace hako::macos {
namespace {

std::vector<std::string> parse_row(std::string_view line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') quoted = !quoted;
        else if (c == ',' && !quoted) fields.emplace_back();
        else fields.back() += c;
    }
    return fields;
}

}  // namespace

std::vector<TableRow> parse_rows(std::string_view csv) {
    std::vector<TableRow> rows;
    for (std::size_t number = 1; !csv.empty(); ++number) {
        const auto line = csv.substr(0, csv.find('\n'));
        csv.remove_prefix(std::min(line.size() + 1, csv.size()));
        if (number > 1 && !trim(line).empty()) rows.push_back({number, parse_row(line)});
    }
    return rows;
}

std::vector<std::vector<std::string>> parse_table(std::string_view csv) {
    std::vector<std::vector<std::string>> table;
    for (auto& row : parse_rows(csv)) table.push_back(std::move(row.fields));
    return table;
}

}  // namespace hako::macos
