// Files that change by lines.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hako::init {

// Without the lines that are gone; those that come stand in place of the first of them, or at the
// end, and none that is there already comes again.
std::string change_lines(std::string_view text, std::span<const std::string> gone,
                         std::span<const std::string> come);

}  // namespace hako::init
