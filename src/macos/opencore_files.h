// The files of an OpenCore release, and of what is added to it, as the user's machine has them: a
// folder or a ZIP. hako ships none of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "macos/file_tree.h"

namespace hako::macos {

struct OpenCoreSource {
    std::filesystem::path path;  // a folder, or a ZIP
    std::string sha256 = {};     // of the ZIP: it must be this one; empty: any
};

// What is needed of all sources, placed as the firmware wants it; a later source wins:
// - what lies below X64/EFI or EFI
// - every *.kext, below EFI/OC/Kexts
// - the ACPI samples that the configuration names, below EFI/OC/ACPI
// ErrorKind::invalid when EFI/BOOT/BOOTx64.efi or EFI/OC/OpenCore.efi is in none; corrupt when a
// sum is wrong.
Result<FileTree> read_opencore(const std::vector<OpenCoreSource>& sources);

}  // namespace hako::macos
