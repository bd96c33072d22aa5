#include "macos/esp_disk.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/units.h"
#include "fsimage/output_file.h"
#include "macos/fat32.h"
#include "macos/little_endian.h"

namespace hako::macos {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kFirstSector = 2048;  // of the partition
constexpr std::uint64_t kTableSectors = 32;   // 128 entries of 128 bytes
constexpr std::uint64_t kSmallestDisk = 64 * kMiB;
constexpr std::uint64_t kLargestDisk = 4 * kGiB;
constexpr std::size_t kHeader = 92;
constexpr std::size_t kEntry = 128;
constexpr std::string_view kEspType = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
constexpr std::string_view kName = "EFI";

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

std::string digest_of(const FileTree& tree) {
    Sha256 sum;
    for (const auto& [path, content] : tree) {
        sum.update(as_bytes(fmt::format("{}:{}:{}:", path.size(), path, content.size())));
        sum.update(as_bytes(content));
    }
    return sum.hex_digest();
}

std::uint32_t crc(std::string_view text) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

struct Table {
    std::uint64_t sectors;  // of the disk
    std::string digest;
    std::uint64_t last_usable() const { return sectors - kTableSectors - 2; }

    std::string protective_mbr() const {
        std::string text(kSector, '\0');
        put(text, 446, std::string_view("\0\0\2\0\xee\xff\xff\xff", 8));
        put(text, 454, 1, 4);
        put(text, 458, std::min<std::uint64_t>(sectors - 1, 0xffffffff), 4);
        put(text, 510, 0xaa55, 2);
        return text;
    }
    std::string entries() const {
        std::string text(kTableSectors * kSector, '\0');
        put(text, 0, guid_bytes(kEspType));
        put(text, 16, guid_bytes(to_guid(digest.substr(32, 32))));
        put(text, 32, kFirstSector, 8);
        put(text, 40, last_usable(), 8);
        for (std::size_t i = 0; i < kName.size(); ++i)
            put(text, 56 + 2 * i, static_cast<unsigned char>(kName[i]), 2);
        return text;
    }
    std::string header(std::uint64_t self, std::uint64_t other, std::uint64_t table) const {
        std::string text(kSector, '\0');
        put(text, 0, "EFI PART");
        put(text, 8, 0x00010000, 4);
        put(text, 12, kHeader, 4);
        put(text, 24, self, 8);
        put(text, 32, other, 8);
        put(text, 40, kTableSectors + 2, 8);
        put(text, 48, last_usable(), 8);
        put(text, 56, guid_bytes(to_guid(digest.substr(0, 32))));
        put(text, 72, table, 8);
        put(text, 80, kTableSectors * kSector / kEntry, 4);
        put(text, 84, kEntry, 4);
        put(text, 88, crc(entries()), 4);
        put(text, 16, crc(text.substr(0, kHeader)), 4);
        return text;
    }
};

std::uint64_t disk_size(const FileTree& tree) {
    // Each file wastes a part of a cluster, and its names take room.
    const auto needed = content_bytes(tree) + tree.size() * 8 * kKiB;
    return std::max(kSmallestDisk, (needed + needed / 8 + 2 * kMiB) / kMiB * kMiB);
}

}  // namespace

Result<void> write_esp_disk(const std::filesystem::path& file, const FileTree& tree) {
    const auto size = disk_size(tree);
    if (size > kLargestDisk)
        return fail(ErrorKind::too_large,
                    "the files of the boot disk have {} bytes: at most {} GiB", content_bytes(tree),
                    kLargestDisk / kGiB);
    HAKO_TRY(auto output, fsimage::OutputFile::create(file));
    if (::ftruncate(output.fd(), static_cast<off_t>(size)) != 0)
        return fail_errno(errno, "cannot make a disk of {} bytes", size);
    const Table table{.sectors = size / kSector, .digest = digest_of(tree)};
    const auto write = [&](std::uint64_t sector, std::string_view data) {
        return fsimage::write_at(output.fd(), sector * kSector, as_bytes(data));
    };
    const auto last = table.sectors - 1;
    HAKO_CHECK(write(0, table.protective_mbr()));
    HAKO_CHECK(write(1, table.header(1, last, 2)));
    HAKO_CHECK(write(2, table.entries()));
    HAKO_CHECK(write(last - kTableSectors, table.entries()));
    HAKO_CHECK(write(last, table.header(last, 1, last - kTableSectors)));
    std::uint32_t volume_id = 0;
    std::from_chars(table.digest.data(), table.digest.data() + 8, volume_id, 16);
    HAKO_CHECK(write_fat32({.fd = output.fd(),
                            .offset = kFirstSector * kSector,
                            .bytes = (table.last_usable() + 1 - kFirstSector) * kSector,
                            .label = std::string(kName),
                            .volume_id = volume_id},
                           tree));
    return output.commit();
}

}  // namespace hako::macos
