// The files of an OpenCore release, and of what is added to it, as the user's machine has them: a
// folder or a ZIP. hako ships none of them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "macos/boot_code.h"
#include "macos/file_tree.h"

namespace hako::macos {

struct OpenCoreSource {
    std::filesystem::path path;  // a folder, or a ZIP
    std::string sha256 = {};     // of the ZIP: it must be this one; empty: any
};

struct OpenCoreFiles {
    FileTree tree;
    BootCode bios;  // empty where the sources have none
};

// What a path stands for. A ZIP, a kext, and a folder with EFI or X64/EFI in it are one source; any
// other folder is the ZIPs and folders that lie in it, OpenCore's own first, for it is what others
// add to. Empty where there are none.
std::vector<OpenCoreSource> sources_in(const std::filesystem::path& path);
// Those of all paths. ErrorKind::not_found names the first that has none.
Result<std::vector<OpenCoreSource>> sources_at(const std::vector<std::filesystem::path>& paths);

bool is_sha256(std::string_view text);  // 64 hexadecimal digits
// The first must have that SHA-256, unless it is empty. ErrorKind::invalid where there is none.
Result<void> require_sum(std::vector<OpenCoreSource>& sources, const std::string& sha256);

// What is needed of all sources, placed as the firmware wants it; a later source wins:
// - what lies below X64/EFI or EFI
// - every *.kext, below EFI/OC/Kexts, but those of VirtualSMC that read sensors
// - the pictures of OcBinaryData (Resources/Font, Image, Label), below EFI/OC
// - the ACPI samples that the configuration names, below EFI/OC/ACPI
// - what boots by BIOS (Utilities/LegacyBoot): its code, and the file "boot"
// ErrorKind::invalid when EFI/BOOT/BOOTx64.efi or EFI/OC/OpenCore.efi is in none; corrupt when a
// sum is wrong, or the boot code is none.
Result<OpenCoreFiles> read_opencore(const std::vector<OpenCoreSource>& sources);

}  // namespace hako::macos
