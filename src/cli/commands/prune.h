// prune: removes what nobody uses, of one kind of object.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "cli/command.h"

namespace hako::cli {

struct Prunable {
    std::string_view noun, title;  // "volume", "Volumes"
    std::string_view summary;      // of the command
    std::string_view filters;      // what --filter takes
    // What goes, for the warning and for --all.
    std::string_view unused, all_unused = {};
    std::string_view all_summary = {};  // of --all; empty: there is no such flag
    // The filter that stands for having --all, and for not having it; empty: none.
    std::string_view all_filter = {}, not_all_filter = {};
    bool tells_space = true;
    // The lines of the list <title>Deleted in the answer, if it holds more than names.
    std::function<Result<std::string>(const Json&)> describe = {};
};

// Asks before, unless --force is given; then prints what is gone and the space that this made.
Command prune_command(Prunable kind);

}  // namespace hako::cli
