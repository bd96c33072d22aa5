// OpenCore's config.plist (Configuration.pdf of OpenCore 1.0.8), generated for what is on the disk.
#pragma once

#include <string>
#include <vector>

#include "macos/file_tree.h"
#include "macos/identity.h"
#include "macos/plist.h"

namespace hako::macos {

struct OpenCoreSettings {
    Identity identity;
    unsigned width = 1920;
    unsigned height = 1080;
    bool show_picker = false;  // waits a minute for a choice
    std::string boot_arguments = "keepsyms=1 debug=0x100";
};

constexpr unsigned kSmallestSide = 480;
constexpr unsigned kLargestSide = 8192;

// ErrorKind::invalid names what is out of range.
Result<void> validate(const OpenCoreSettings& settings);

// Names the ACPI tables, drivers and kexts of the tree: those known here in the order that they
// need, then the others by name.
Plist opencore_config(const OpenCoreSettings& settings, const FileTree& tree);

// What a machine will miss, a sentence each.
std::vector<std::string> missing_parts(const FileTree& tree);

}  // namespace hako::macos
