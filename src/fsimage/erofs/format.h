// EROFS on disk (Linux, Documentation/filesystems/erofs.rst): the part that hako writes.
// All numbers are little-endian. See docs/formats/erofs.md.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace hako::fsimage::erofs {

static_assert(std::endian::native == std::endian::little, "structures are written as they are");

constexpr std::uint32_t kMagic = 0xE0F5E1E2;
constexpr std::uint64_t kSuperOffset = 1024;
constexpr std::uint8_t kBlockBits = 12;
constexpr std::uint32_t kCompatChecksum = 0x1;  // the superblock's block has a CRC-32C
constexpr std::uint32_t kCompatMtime = 0x2;     // times in inodes are those of modification
constexpr std::uint64_t kSlotSize = 32;         // inodes are numbered by where they begin
constexpr std::size_t kMaxBlocks = 0xFFFFFFFF;

struct SuperBlock {
    std::uint32_t magic;
    std::uint32_t checksum;  // from here to the end of the block, with this field 0
    std::uint32_t feature_compat;
    std::uint8_t block_bits;
    std::uint8_t extension_slots;
    std::uint16_t root_nid;
    std::uint64_t inodes;
    std::uint64_t build_time;
    std::uint32_t build_time_nsec;
    std::uint32_t blocks;
    std::uint32_t meta_block;  // where inode numbers count from
    std::uint32_t xattr_block;
    std::array<std::uint8_t, 16> uuid;
    std::array<char, 16> volume_name;
    std::uint32_t feature_incompat;
    std::uint16_t compression;
    std::uint16_t extra_devices;
    std::uint16_t device_slot;
    std::array<std::uint8_t, 38> reserved;
};
static_assert(sizeof(SuperBlock) == 128 && std::has_unique_object_representations_v<SuperBlock>);

enum class DataLayout : std::uint16_t {
    plain = 0,        // whole blocks from raw_block on
    inline_tail = 2,  // the same, but what does not fill a block follows the inode
};

constexpr std::uint16_t inode_format(DataLayout layout) {
    constexpr std::uint16_t kExtended = 1;
    return static_cast<std::uint16_t>(kExtended | static_cast<unsigned>(layout) << 1U);
}

// An extended inode. Extended attributes follow it, then the inline tail.
struct InodeRecord {
    std::uint16_t format;
    std::uint16_t xattr_count;  // in words, see xattr_count()
    std::uint16_t mode;
    std::uint16_t reserved;
    std::uint64_t size;
    std::uint32_t raw_block;  // or the device's number
    std::uint32_t number;
    std::uint32_t uid;
    std::uint32_t gid;
    std::int64_t mtime;
    std::uint32_t mtime_nsec;
    std::uint32_t links;
    std::array<std::uint8_t, 16> reserved2;
};
static_assert(sizeof(InodeRecord) == 64 && std::has_unique_object_representations_v<InodeRecord>);

// Before the extended attributes of an inode.
struct XattrHeader {
    std::uint32_t name_filter;
    std::uint8_t shared_count;
    std::array<std::uint8_t, 7> reserved;
};
static_assert(sizeof(XattrHeader) == 12);

// The name without its prefix and the value follow; all is padded to 4 bytes.
struct XattrRecord {
    std::uint8_t name_size;
    std::uint8_t prefix;
    std::uint16_t value_size;
};
static_assert(sizeof(XattrRecord) == 4);

// A name in a directory block. Records come first in a block, names follow in the same order.
struct __attribute__((packed)) DirectoryRecord {
    std::uint64_t nid;
    std::uint16_t name_offset;  // from the start of the block
    std::uint8_t type;
    std::uint8_t reserved;
};
static_assert(sizeof(DirectoryRecord) == 12);

}  // namespace hako::fsimage::erofs
