#include "macos/esp_disk.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/units.h"
#include "fsimage/output_file.h"
#include "macos/fat32.h"
#include "macos/gpt.h"

namespace hako::macos {
namespace {

constexpr std::uint64_t kSmallestDisk = 64 * kMiB;
constexpr std::uint64_t kLargestDisk = 4 * kGiB;
constexpr std::string_view kName = "EFI";

}  // namespace

std::string digest_of(const FileTree& tree) {
    Sha256 sum;
    for (const auto& [path, content] : tree) {
        sum.update(as_bytes(fmt::format("{}:{}:{}:", path.size(), path, content.size())));
        sum.update(as_bytes(content));
    }
    return sum.hex_digest();
}

std::uint64_t esp_bytes(const FileTree& tree) {
    // Each file wastes a part of a cluster, and its names take room.
    const auto needed = content_bytes(tree) + tree.size() * 8 * kKiB;
    return std::max(kSmallestDisk, (needed + needed / 8 + 2 * kMiB) / kMiB * kMiB);
}

Result<void> write_esp(int fd, const Partition& partition, const FileTree& tree,
                       std::string_view digest) {
    std::uint32_t volume_id = 0;
    std::from_chars(digest.data(), digest.data() + 8, volume_id, 16);
    return write_fat32({.fd = fd,
                        .offset = partition.first * kSector,
                        .bytes = (partition.last + 1 - partition.first) * kSector,
                        .label = std::string(kName),
                        .volume_id = volume_id},
                       tree);
}

Result<void> write_esp_disk(const std::filesystem::path& file, const FileTree& tree,
                            const BootCode& code) {
    const auto size = esp_bytes(tree);
    if (size > kLargestDisk)
        return fail(ErrorKind::too_large,
                    "the files of the boot disk have {} bytes: at most {} GiB", content_bytes(tree),
                    kLargestDisk / kGiB);
    HAKO_TRY(auto output, fsimage::OutputFile::create(file));
    if (::ftruncate(output.fd(), static_cast<off_t>(size)) != 0)
        return fail_errno(errno, "cannot make a disk of {} bytes", size);
    PartitionTable table{.sectors = size / kSector, .digest = digest_of(tree)};
    table.partitions = {{kEspType, std::string(kName), kFirstAlignedSector, table.last_usable()}};
    HAKO_CHECK(write_partition_table(output.fd(), table));
    const auto& partition = table.partitions.front();
    HAKO_CHECK(write_esp(output.fd(), partition, tree, table.digest));
    if (!code.empty()) HAKO_CHECK(write_boot_code(output.fd(), partition, code, table.digest));
    return output.commit();
}

}  // namespace hako::macos
