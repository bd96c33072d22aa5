// Makes the disk of an appliance: Linux, QEMU and OpenCore, which on any machine or cloud VM boots
// the macOS on the machine's second disk.
//
//   hako-bios       GRUB's core, for BIOS
//   hako-boot       EFI system partition: GRUB for UEFI, kernel and root file system
//   hako-variables  the variables of macOS's firmware, which it changes
//   hako-opencore   the disk that macOS boots from, as a partition
//   hako-recovery   a recovery system, where one was named
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "appliance/settings.h"
#include "base/paths.h"
#include "base/result.h"
#include "macos/opencore_files.h"

namespace hako::appliance {

struct BuildRequest {
    ApplianceSettings settings;
    std::vector<macos::OpenCoreSource> opencore;
    std::optional<std::filesystem::path> custom_config = {};
    std::optional<std::filesystem::path> recovery = {};  // a .dmg
    std::filesystem::path kernel = "/";  // a folder with boot/ and lib/modules/, or a .deb
};

// Returns warnings. The same inputs give the same bytes; the file appears complete or not at all.
Result<std::vector<std::string>> build_appliance(const BuildRequest& request,
                                                 const Installation& installation,
                                                 const std::filesystem::path& output);

}  // namespace hako::appliance
