// Programs and files of the host's Debian packages.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace hako::appliance {

// ErrorKind::not_found names the package to install.
Result<std::filesystem::path> find_tool(std::string_view program, std::string_view package);
Result<void> need_file(const std::filesystem::path& path, std::string_view package);

}  // namespace hako::appliance
