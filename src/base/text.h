// ASCII text, the same in every locale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hako {

// Letters only; bytes above 127 stay as they are.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

// Without blanks (space, tab, line breaks) at both ends.
std::string_view trim(std::string_view text);

// Splits at every `separator`; "" is one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace hako
