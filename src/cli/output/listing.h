// Lists of objects as ps, images and kernel ls print them: a table, ids only, JSON or a template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/output/table.h"

namespace hako::cli {

// One object: its fields as texts, and what templates may call on it ({{.Label "key"}}).
struct ListedItem {
    Json fields = Json::object();
    Json methods = Json::object();
};

struct Column {
    std::string field;
    std::string heading;
};

struct ListingStyle {
    std::vector<Column> columns;  // of the plain table
    std::vector<Column> more;     // headings of further fields, for `table TEMPLATE`
    std::string quiet_field;      // printed alone with -q
};

// How many of a container's mounts are volumes.
std::size_t local_volumes(const Json& container);

// format: "" and "table" are the plain table, "table TEMPLATE", "json" one object a line, else a
// template rendered for each item.
Result<std::string> format_listing(const std::vector<ListedItem>& items, const ListingStyle& style,
                                   std::string_view format, bool quiet);

}  // namespace hako::cli
