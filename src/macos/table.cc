#include "macos/table.h"

#include <algorithm>

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

std::vector<std::vector<std::string>> parse_table(std::string_view csv) {
    std::vector<std::vector<std::string>> rows;
    bool heading = true;
    while (!csv.empty()) {
        const auto line = csv.substr(0, csv.find('\n'));
        csv.remove_prefix(std::min(line.size() + 1, csv.size()));
        if (!heading && !line.empty()) rows.push_back(parse_row(line));
        heading = false;
    }
    return rows;
}

}  // namespace hako::macos
