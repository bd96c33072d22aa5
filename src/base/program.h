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

// The kernel kills what is run so when the thread that ran it ends, in whatever way: by
// util-linux's setpriv. Without that (busybox's, a link to busybox, cannot do it) the words stay as
// they are.
void tie_to_us(std::vector<std::string>& argv);

}  // namespace hako
