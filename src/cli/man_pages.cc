#include "cli/man_pages.h"

#include <algorithm>

#include "base/fd.h"
#include "base/paths.h"
#include "cli/version.h"

namespace hako::cli {
namespace {

// roff reads backslashes, and dots and quotes at a line's beginning.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') out += "\\e";
        else if (c == '-') out += "\\-";
        else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            out += fmt::format("\\&{}", c);
        else out += c;
    }
    return out;
}

std::string page_name(std::string path) {
    std::ranges::replace(path, ' ', '-');
    return path;
}

// The usage line without its heading.
std::string synopsis(const Command& command) {
    const std::string line = command.usage_line();
    return line.substr(line.find_first_not_of(' ', line.find(':') + 1));
}

std::string flag_entry(const Command::Flag& flag) {
    std::string entry = fmt::format(".TP\n\\fB{}\\fR", escaped(flag.shown()));
    if (!flag.value_type.empty()) entry += fmt::format(" \\fI{}\\fR", escaped(flag.value_type));
    return entry + "\n" + escaped(flag.help) + "\n";
}

std::string child_entry(const Command& child, const std::string& path) {
    return fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", escaped(page_name(path + " " + child.name())),
                       escaped(child.summary()));
}

Result<void> write_pages(const Command& command, const std::string& path,
                         const std::filesystem::path& folder) {
    HAKO_CHECK(replace_file(folder / (page_name(path) + ".1"), man_page(command, path), 0644));
    for (const Command& child : command.children())
        if (!child.is_hidden()) HAKO_CHECK(write_pages(child, path + " " + child.name(), folder));
    return {};
}

}  // namespace

std::string man_page(const Command& command, const std::string& path) {
    std::string page = fmt::format(".TH \"{}\" 1 \"\" \"hako {}\" \"hako\"\n.SH NAME\n{} \\- {}\n",
                                   page_name(path), kVersion, escaped(page_name(path)),
                                   escaped(command.summary()));
    page += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR\n", escaped(synopsis(command)));
    std::string flags, children;
    for (const Command::Flag& flag : command.flags()) flags += flag_entry(flag);
    for (const Command& child : command.children())
        if (!child.is_hidden()) children += child_entry(child, path);
    if (!flags.empty()) page += ".SH OPTIONS\n" + flags;
    if (!children.empty()) page += ".SH COMMANDS\n" + children;
    return page;
}

Result<void> write_man_pages(const Command& root, const std::filesystem::path& folder) {
    HAKO_CHECK(make_folders(folder, 0755));
    return write_pages(root, root.name(), folder);
}

}  // namespace hako::cli
