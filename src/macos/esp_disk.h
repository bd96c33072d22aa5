// A raw disk with a GUID partition table and one EFI system partition, and the parts of it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "macos/boot_code.h"
#include "macos/file_tree.h"
#include "macos/gpt.h"

namespace hako::macos {

// The same tree gives the same bytes. The file appears complete or not at all; it has 64 MiB, or
// what the files need. With code it boots by BIOS, too.
Result<void> write_esp_disk(const std::filesystem::path& file, const FileTree& tree,
                            const BootCode& code = {});

// SHA-256 of all of it, in hexadecimal digits.
std::string digest_of(const FileTree& tree);
// How large an EFI system partition is to be for these files.
std::uint64_t esp_bytes(const FileTree& tree);
// The file system of an EFI system partition, on a disk that is empty there.
Result<void> write_esp(int fd, const Partition& partition, const FileTree& tree,
                       std::string_view digest);

}  // namespace hako::macos
