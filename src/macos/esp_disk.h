// A raw disk with a GUID partition table (UEFI 2.10, chapter 5) and one EFI system partition.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "macos/file_tree.h"

namespace hako::macos {

// The same tree gives the same bytes. The file appears complete or not at all; it has 64 MiB, or
// what the files need.
Result<void> write_esp_disk(const std::filesystem::path& file, const FileTree& tree);

}  // namespace hako::macos
