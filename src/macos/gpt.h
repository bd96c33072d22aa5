// A disk's GUID partition table (UEFI 2.10, chapter 5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::macos {

constexpr std::uint64_t kSector = 512;
// Where partitions begin and how much the table takes at the end.
constexpr std::uint64_t kFirstAlignedSector = 2048;
constexpr std::uint64_t kTableSectors = 32;  // 128 entries of 128 bytes
constexpr std::uint64_t kFirstUsableSector = kTableSectors + 2;

constexpr std::string_view kEspType = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
constexpr std::string_view kBiosBootType = "21686148-6449-6E6F-744E-656564454649";
constexpr std::string_view kLinuxDataType = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

struct Partition {
    std::string_view type;
    std::string name;  // at most 36 characters of ASCII
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

struct PartitionTable {
    std::uint64_t sectors = 0;  // of the disk
    std::string digest;         // 64 hexadecimal digits that its GUIDs are made of
    std::vector<Partition> partitions;

    std::uint64_t last_usable() const { return sectors - kTableSectors - 2; }
};

// Both copies, and the MBR that keeps others off; whose first 440 bytes are left as they are.
Result<void> write_partition_table(int fd, const PartitionTable& table);

}  // namespace hako::macos
