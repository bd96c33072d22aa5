// "Did you mean …": the known name that a mistyped one is nearest to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hako::cli {

// Nothing when no name is near enough (two edits, or one in three letters).
std::optional<std::string> nearest(std::string_view typed, const std::vector<std::string>& names);

}  // namespace hako::cli
