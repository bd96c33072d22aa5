// Finds a name in a directory of a tree: one hash table for all directories.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hako::fsimage {

using NodeId = std::uint32_t;
constexpr NodeId kNoNode = ~NodeId{0};
// Never used twice: emptying a directory is giving it a new id.
using DirectoryId = std::uint32_t;

// Open addressing with linear probing. Names are borrowed. Hashes are keyed by a random number, so
// that nobody can make an image whose names all collide.
class NameTable {
public:
    NameTable();
    void reserve(std::size_t names);

    NodeId find(DirectoryId directory, std::string_view name) const;
    // The name must not be there.
    void insert(DirectoryId directory, std::string_view name, NodeId node);
    void erase(DirectoryId directory, std::string_view name);

private:
    struct Slot {
        const char* name = nullptr;
        std::uint32_t size = 0;
        DirectoryId directory = 0;  // 0: never used
        NodeId node = kNoNode;      // kNoNode: erased, or never used
        std::uint32_t hash = 0;
    };

    std::uint32_t hash(DirectoryId directory, std::string_view name) const;
    std::size_t place(DirectoryId directory, std::string_view name, std::uint32_t hash) const;
    void grow(std::size_t slots);

    std::vector<Slot> slots_;  // a power of two
    std::size_t used_ = 0;     // erased ones included
    std::uint64_t key_;
};

}  // namespace hako::fsimage
