#include "cli/output/listing.h"

#include <algorithm>

#include "cli/output/text.h"
#include "cli/template/template.h"

namespace hako::cli {
namespace {

// {"ID": "CONTAINER ID", ...}: what a table's template prints in its first line.
Json headings(const ListingStyle& style) {
    Json names = Json::object();
    for (const auto* columns : {&style.columns, &style.more})
        for (const auto& column : *columns) names[column.field] = column.heading;
    return names;
}

std::string plain_table(const std::vector<ListedItem>& items, const ListingStyle& style) {
    std::vector<Row> rows(1);
    for (const auto& column : style.columns) rows.front().push_back(column.heading);
    for (const auto& item : items) {
        Row row;
        for (const auto& column : style.columns) row.push_back(go_text(item.fields[column.field]));
        rows.push_back(std::move(row));
    }
    return format_table(rows);
}

Row cells(std::string_view line) {
    Row row;
    while (true) {
        const auto tab = line.find('\t');
        row.emplace_back(line.substr(0, tab));
        if (tab == std::string_view::npos) return row;
        line.remove_prefix(tab + 1);
    }
}

// On the command line \t and \n are typed as two characters.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && i + 1 < text.size();
        if (escape && text[i + 1] == 't') out += '\t', ++i;
        else if (escape && text[i + 1] == 'n') out += '\n', ++i;
        else out += text[i];
    }
    return out;
}

}  // namespace

std::size_t local_volumes(const Json& container) {
    const auto mounts = container.find("Mounts");
    if (mounts == container.end() || !mounts->is_array()) return 0;
    return static_cast<std::size_t>(std::ranges::count_if(*mounts, [](const Json& mount) {
        return mount.is_object() && mount.value("Type", std::string()) == "volume";
    }));
}

Result<std::string> format_listing(const std::vector<ListedItem>& items, const ListingStyle& style,
                                   std::string_view format, bool quiet) {
    std::string out;
    if (quiet && (format.empty() || format == "table")) {
        for (const auto& item : items) out += go_text(item.fields[style.quiet_field]) + "\n";
        return out;
    }
    if (format.empty() || format == "table") return plain_table(items, style);
    if (format == "json") {
        for (const auto& item : items) out += dump_json(item.fields) + "\n";
        return out;
    }
    constexpr std::string_view kTable = "table ";
    const bool table = format.starts_with(kTable);
    if (table) format.remove_prefix(kTable.size());
    HAKO_TRY(const auto parsed, Template::parse(unescape(format)));
    std::vector<Row> rows;
    if (table) {
        // A label's column is named after its key.
        HAKO_TRY(const auto line, parsed.render(headings(style), {{"Label", Json::object()}}));
        rows.push_back(cells(line));
    }
    for (const auto& item : items) {
        HAKO_TRY(const auto line, parsed.render(item.fields, item.methods));
        if (table) rows.push_back(cells(line));
        else out += line + "\n";
    }
    return table ? format_table(rows) : out;
}

}  // namespace hako::cli
