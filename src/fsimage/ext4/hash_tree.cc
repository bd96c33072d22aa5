#include "fsimage/ext4/hash_tree.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace hako::fsimage::ext4 {
namespace {

constexpr std::size_t kHeadBytes = 8;  // of a record before its name
constexpr std::size_t kDotBytes = 12;  // of the record of "."
constexpr std::size_t kRootEntries = 2 * kDotBytes + sizeof(ext2_dx_root_info);
constexpr std::size_t kNodeEntries = kHeadBytes;

struct Pointer {
    std::uint32_t hash;
    std::uint32_t block;
};

// How many pointers fit behind the offset, the checksum's place at the end left out.
std::size_t capacity(ext2_filsys fs, std::size_t offset) {
    return (fs->blocksize - offset - sizeof(ext2_dx_tail)) / sizeof(ext2_dx_entry);
}

template <typename T>
void put(std::string& block, std::size_t offset, const T& value) {
    std::memcpy(block.data() + offset, &value, sizeof value);
}

void put_record(std::string& block, std::size_t offset, ext2_ino_t inode, std::size_t length,
                std::string_view name) {
    put(block, offset, static_cast<__u32>(inode));
    put(block, offset + 4, static_cast<__u16>(length));
    block[offset + 6] = static_cast<char>(name.size());
    block[offset + 7] = static_cast<char>(name.empty() ? EXT2_FT_UNKNOWN : EXT2_FT_DIR);
    name.copy(block.data() + offset + kHeadBytes, name.size());
}

// The first pointer has no hash: limit and count are in its place.
void put_pointers(ext2_filsys fs, std::string& block, std::size_t offset,
                  std::span<const Pointer> pointers) {
    for (std::size_t i = 0; i < pointers.size(); ++i)
        put(block, offset + i * sizeof(ext2_dx_entry),
            ext2_dx_entry{pointers[i].hash, pointers[i].block});
    put(block, offset,
        ext2_dx_countlimit{static_cast<__u16>(capacity(fs, offset)),
                           static_cast<__u16>(pointers.size())});
}

std::string make_root(ext2_filsys fs, ext2_ino_t self, ext2_ino_t parent, unsigned levels,
                      std::span<const Pointer> pointers) {
    std::string block(fs->blocksize, '\0');
    put_record(block, 0, self, kDotBytes, ".");
    put_record(block, kDotBytes, parent, fs->blocksize - kDotBytes, "..");
    put(block, 2 * kDotBytes,
        ext2_dx_root_info{.reserved_zero = 0,
                          .hash_version = fs->super->s_def_hash_version,
                          .info_length = sizeof(ext2_dx_root_info),
                          .indirect_levels = static_cast<__u8>(levels),
                          .unused_flags = 0});
    put_pointers(fs, block, kRootEntries, pointers);
    return block;
}

std::string make_node(ext2_filsys fs, std::span<const Pointer> pointers) {
    std::string block(fs->blocksize, '\0');
    put_record(block, 0, 0, fs->blocksize, "");
    put_pointers(fs, block, kNodeEntries, pointers);
    return block;
}

}  // namespace

Result<NameHash> hash_of(ext2_filsys fs, std::string_view name) {
    NameHash hash;
    HAKO_CHECK(check(
        ext2fs_dirhash2(fs->super->s_def_hash_version, name.data(), static_cast<int>(name.size()),
                        nullptr, 0, fs->super->s_hash_seed, &hash.major, &hash.minor),
        "hash a name"));
    return hash;
}

std::optional<std::vector<std::string>> index_blocks(ext2_filsys fs, ext2_ino_t self,
                                                     ext2_ino_t parent,
                                                     const std::vector<HashLeaf>& leaves) {
    const std::size_t most = capacity(fs, kNodeEntries);
    const bool flat = leaves.size() <= capacity(fs, kRootEntries);
    const std::size_t nodes = flat ? 0 : (leaves.size() + most - 1) / most;
    if (nodes > capacity(fs, kRootEntries)) return std::nullopt;

    std::vector<Pointer> to_leaves;
    for (const HashLeaf& leaf : leaves)
        to_leaves.push_back(
            {leaf.first_hash, static_cast<std::uint32_t>(1 + nodes + to_leaves.size())});
    if (flat) return std::vector{make_root(fs, self, parent, 0, to_leaves)};

    std::vector<std::string> blocks(1);
    std::vector<Pointer> to_nodes;
    for (std::size_t at = 0; at < to_leaves.size(); at += most) {
        const auto part = std::span(to_leaves).subspan(at, std::min(most, to_leaves.size() - at));
        to_nodes.push_back({part.front().hash, static_cast<std::uint32_t>(blocks.size())});
        blocks.push_back(make_node(fs, part));
    }
    blocks.front() = make_root(fs, self, parent, 1, to_nodes);
    return blocks;
}

}  // namespace hako::fsimage::ext4
