// What a BIOS runs, for disks that are to boot by BIOS as well as by UEFI: OpenDuet of the OpenCore
// release, which is a UEFI firmware that a BIOS starts.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "macos/gpt.h"

namespace hako::macos {

struct BootCode {
    std::string disk;       // begins the disk, and looks for the partition
    std::string partition;  // begins the partition, and looks for the file "boot" there

    bool empty() const { return disk.empty() || partition.empty(); }
};

// ErrorKind::corrupt where it is no boot code.
Result<void> validate(const BootCode& code);

// Into a disk whose partition table and FAT32 are written; what those have there stays. digest: as
// PartitionTable has it; OpenDuet knows its partition by a part of it.
Result<void> write_boot_code(int fd, const Partition& partition, const BootCode& code,
                             std::string_view digest);

}  // namespace hako::macos
