// Programs as a shell finds them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hako {

// The first executable file of that name in the folders of PATH, as an absolute path.
std::optional<std::filesystem::path> find_program(std::string_view name);

// The kernel kills what is run so when the thread that ran it ends, in whatever way: by setpriv, of
// the package util-linux. Without that the words stay as they are.
void tie_to_us(std::vector<std::string>& argv);

}  // namespace hako
