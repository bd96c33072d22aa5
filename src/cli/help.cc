// The text of --help, in the form of docker's.
#include <algorithm>

#include "cli/command.h"
#include "cli/terminal.h"

namespace hako::cli {
namespace {

// `text` in lines of at most `width` columns, the later ones behind `indent` spaces.
std::string wrap(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column > 0 && column + 1 + word.size() > width) {
            out += "\n" + std::string(indent, ' ');
            column = 0;
        } else if (column > 0) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    return out;
}

struct Row {
    std::string name;
    std::string text;
};

std::string columns(const std::vector<Row>& rows) {
    constexpr std::size_t kGap = 3;
    constexpr std::size_t kNarrowest = 20;
    std::size_t widest = 0;
    for (const auto& row : rows) widest = std::max(widest, row.name.size());
    const std::size_t indent = 2 + widest + kGap;
    const std::size_t width =
        std::max(kNarrowest, kDefaultColumns - std::min(kDefaultColumns, indent));
    std::string out;
    for (const auto& row : rows)
        out += fmt::format("  {:<{}}{}\n", row.name, widest + kGap, wrap(row.text, indent, width));
    return out;
}

}  // namespace

std::string Command::usage_line() const {
    std::string line = "Usage:  " + path();
    if (!flags_.empty()) line += " [OPTIONS]";  // so no arguments() names them
    if (!children_.empty()) line += " COMMAND";
    if (!usage_.empty()) line += " " + usage_;
    return line;
}

std::string Command::help() const {
    std::string out = fmt::format("{}\n\n{}\n", usage_line(), summary_);
    std::vector<Row> rows;
    for (const auto& child : children_)
        if (!child.is_hidden()) rows.push_back({child.name(), child.summary()});
    if (!rows.empty()) out += "\nCommands:\n" + columns(rows);

    rows.clear();
    for (const auto& flag : flags_) {
        auto name = flag.short_name.empty() ? "    " + flag.long_name
                                            : flag.short_name + ", " + flag.long_name;
        if (!flag.value_type.empty()) name += " " + flag.value_type;
        rows.push_back({std::move(name), flag.help});
    }
    std::ranges::stable_sort(rows, {}, [](const Row& row) { return row.name.substr(4); });
    if (!rows.empty()) out += "\nOptions:\n" + columns(rows);
    if (!children_.empty())
        out +=
            fmt::format("\nRun '{} COMMAND --help' for more information on a command.\n", path());
    return out;
}

}  // namespace hako::cli
