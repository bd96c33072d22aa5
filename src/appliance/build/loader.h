// GRUB, made from the host's packages, for firmware of both kinds: it loads the kernel and the root
// file system from the EFI system partition.
#pragma once

#include <string>

#include "base/result.h"
#include "macos/file_tree.h"

namespace hako::appliance {

// The kernel's own parameters, and its consoles.
extern const std::string kKernelLine;

constexpr std::string_view kKernelPath = "boot/vmlinuz";
constexpr std::string_view kInitramfsPath = "boot/initramfs";

struct BiosLoader {
    std::string boot_code;  // for the first 440 bytes of the disk
    std::string core;       // for a partition of its own
};
// first: the sector where `core` is going to lie. The EFI system partition is the second.
Result<BiosLoader> make_bios_loader(std::uint64_t first);

// Adds the program for UEFI and the menu.
Result<void> add_efi_loader(macos::FileTree& esp);

}  // namespace hako::appliance
