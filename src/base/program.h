// Programs as a shell finds them.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace hako {

// The first executable file of that name in the folders of PATH, as an absolute path.
std::optional<std::filesystem::path> find_program(std::string_view name);

}  // namespace hako
