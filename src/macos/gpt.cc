#include "macos/gpt.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "base/fd.h"
#include "base/sha256.h"
#include "fsimage/output_file.h"
#include "macos/little_endian.h"

namespace hako::macos {
namespace {

constexpr std::size_t kHeader = 92;
constexpr std::size_t kTableEntry = 128;
constexpr std::size_t kBootCode = 440;  // of the MBR

// The first three parts with the least byte first.
std::string guid_bytes(std::string_view text) {
    std::string bytes;
    for (const std::size_t at : {6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34}) {
        unsigned byte = 0;
        std::from_chars(text.data() + at, text.data() + at + 2, byte, 16);
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

// 32 hexadecimal digits as a version 8 UUID (RFC 9562): of our own making.
std::string to_guid(std::string digits) {
    digits[12] = '8';
    digits[16] = 'a';
    return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                       digits.substr(12, 4), digits.substr(16, 4), digits.substr(20, 12));
}

std::string guid_of(const PartitionTable& table, std::string_view part) {
    return guid_bytes(
        to_guid(sha256_hex(as_bytes(table.digest + std::string(part))).substr(0, 32)));
}

std::uint32_t crc(std::string_view text) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

std::string protective_mbr(const PartitionTable& table) {
    std::string text(kSector, '\0');
    put(text, 446, std::string_view("\0\0\2\0\xee\xff\xff\xff", 8));
    put(text, 454, 1, 4);
    put(text, 458, std::min<std::uint64_t>(table.sectors - 1, 0xffffffff), 4);
    put(text, 510, 0xaa55, 2);
    return text.substr(kBootCode);
}

std::string entries(const PartitionTable& table) {
    std::string text(kTableSectors * kSector, '\0');
    std::size_t at = 0;
    for (const Partition& partition : table.partitions) {
        put(text, at, guid_bytes(partition.type));
        put(text, at + 16, guid_of(table, partition.name));
        put(text, at + 32, partition.first, 8);
        put(text, at + 40, partition.last, 8);
        for (std::size_t i = 0; i < partition.name.size(); ++i)
            put(text, at + 56 + 2 * i, static_cast<unsigned char>(partition.name[i]), 2);
        at += kTableEntry;
    }
    return text;
}

std::string header(const PartitionTable& table, std::uint64_t self, std::uint64_t other,
                   std::uint64_t first_entry) {
    std::string text(kSector, '\0');
    put(text, 0, "EFI PART");
    put(text, 8, 0x00010000, 4);
    put(text, 12, kHeader, 4);
    put(text, 24, self, 8);
    put(text, 32, other, 8);
    put(text, 40, kFirstUsableSector, 8);
    put(text, 48, table.last_usable(), 8);
    put(text, 56, guid_of(table, ""));
    put(text, 72, first_entry, 8);
    put(text, 80, kTableSectors * kSector / kTableEntry, 4);
    put(text, 84, kTableEntry, 4);
    put(text, 88, crc(entries(table)), 4);
    put(text, 16, crc(text.substr(0, kHeader)), 4);
    return text;
}

}  // namespace

Result<void> write_partition_table(int fd, const PartitionTable& table) {
    const auto write = [&](std::uint64_t offset, std::string_view data) {
        return fsimage::write_at(fd, offset, as_bytes(data));
    };
    const auto last = table.sectors - 1;
    HAKO_CHECK(write(kBootCode, protective_mbr(table)));
    HAKO_CHECK(write(kSector, header(table, 1, last, 2)));
    HAKO_CHECK(write(2 * kSector, entries(table)));
    HAKO_CHECK(write((last - kTableSectors) * kSector, entries(table)));
    return write(last * kSector, header(table, last, 1, last - kTableSectors));
}

}  // namespace hako::macos
