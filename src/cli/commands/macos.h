// The parts of `hako macos`.
#pragma once

#include <filesystem>

#include "base/process.h"
#include "cli/command.h"
#include "macos/image_download.h"
#include "macos/versions.h"

namespace hako::cli {

Command macos_identity_command();  // a group
Command macos_disk_command();
Command macos_fetch_command();
Command macos_import_command();
Command macos_prepare_command();
Command macos_boot_command();

// Where the recovery system is, downloaded when it is not there yet, with progress on the terminal.
Result<std::filesystem::path> fetch_recovery(const Session& session, const macos::Version& version,
                                             const macos::DownloadProgress& progress);

// The page of the machine that we run in the folder; prints where it is. Ends with its owner.
Result<Process> start_mac_viewer(const Session& session, const std::filesystem::path& folder,
                                 const std::string& address, std::uint16_t port);

// Of --format: "json" or "table".
Result<bool> wants_json(const std::string& format);

}  // namespace hako::cli
