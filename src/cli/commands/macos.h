// The parts of `hako macos`.
#pragma once

#include <chrono>
#include <filesystem>

#include "base/json.h"
#include "base/process.h"
#include "cli/api.h"
#include "cli/command.h"
#include "macos/identity.h"
#include "macos/image_download.h"
#include "macos/settings.h"
#include "macos/versions.h"

namespace hako::cli {

Command macos_identity_command();  // a group
Command macos_disk_command();
Command macos_fetch_command();
Command macos_import_command();
Command macos_prepare_command();
Command macos_boot_command();
Command macos_appliance_command();  // a group

// Machines of the daemon.
Command macos_run_command();
Command macos_ls_command();
Command macos_exec_command();
Command macos_screenshot_command();
Command macos_type_command();
Command macos_key_command();
Command macos_click_command();
Command macos_console_command();
Command macos_wait_command();
Command macos_snapshot_command();
Command macos_snapshots_command();
Command macos_restore_command();
Command macos_forget_command();
Command macos_resize_command();

// What a command of the machine (docs/macos.md) answers; its error is what it complains of.
Result<std::string> run_in_mac(const Api& api, const std::string& name,
                               const std::vector<std::string>& words);

// Until the machine's ssh greets: at the address, or where it is published.
Result<void> wait_for_ssh(const Api& api, const std::string& name, const std::string& address,
                          std::chrono::seconds limit);

// Where the recovery system is, downloaded when it is not there yet, with progress on the terminal.
Result<std::filesystem::path> fetch_recovery(const Session& session,
                                             const macos::MacSettings& settings,
                                             const macos::DownloadProgress& progress);

// The page of the machine that we run in the folder, at the settings' port; prints where it is.
// Ends with its owner.
Result<Process> start_mac_viewer(const Session& session, const std::filesystem::path& folder,
                                 const std::string& address, const macos::MacSettings& settings);

// Of -e NAME=VALUE.
Result<macos::Variables> read_variables(const std::vector<std::string>& list);
// That of a file as `identity generate --format json` prints it; what it lacks is drawn.
Result<macos::Identity> read_mac_identity(const std::string& file);

// Of --format: "json" or "table".
Result<bool> wants_json(const std::string& format);

}  // namespace hako::cli
