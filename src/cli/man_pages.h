// Manual pages, made from the commands' definitions.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "cli/command.h"

namespace hako::cli {

// One page in man(7)'s language: "hako-container-ls" for path "hako container ls".
std::string man_page(const Command& command, const std::string& path);
// hako.1, hako-run.1, hako-container-ls.1 ... for every command that is not hidden.
Result<void> write_man_pages(const Command& root, const std::filesystem::path& folder);

}  // namespace hako::cli
