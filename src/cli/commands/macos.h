// The parts of `hako macos`.
#pragma once

#include "cli/command.h"

namespace hako::cli {

Command macos_identity_command();  // a group
Command macos_disk_command();
Command macos_fetch_command();
Command macos_import_command();
Command macos_prepare_command();

// Of --format: "json" or "table".
Result<bool> wants_json(const std::string& format);

}  // namespace hako::cli
