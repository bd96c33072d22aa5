#include "fsimage/name_table.h"

#include <bit>
#include <cstring>
#include <random>
#include <utility>

namespace hako::fsimage {
namespace {

constexpr std::size_t kFewest = 64;

// 64 x 64 -> 128 bits, folded: mixes all bits of both.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint64_t random_key() {
    std::random_device device;
    return std::uint64_t{device()} << 32U | device();
}

}  // namespace

NameTable::NameTable() : slots_(kFewest), key_(random_key()) {}

void NameTable::reserve(std::size_t names) {
    const std::size_t slots = std::bit_ceil(names * 2);
    if (slots > slots_.size()) grow(slots);
}

std::uint32_t NameTable::hash(DirectoryId directory, std::string_view name) const {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
    std::uint64_t state = mix(key_ ^ directory, kOdd ^ name.size());
    while (name.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, name.data(), 8);
        state = mix(state ^ word, key_ | 1U);
        name.remove_prefix(8);
    }
    std::uint64_t word = 0;
    std::memcpy(&word, name.data(), name.size());
    state = mix(state ^ word, kOdd);
    return static_cast<std::uint32_t>(state ^ state >> 32U);
}

// The slot that holds the name, or the empty one that ends the search for it.
std::size_t NameTable::place(DirectoryId directory, std::string_view name,
                             std::uint32_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
        const Slot& slot = slots_[i];
        if (slot.directory == 0) return i;
        if (slot.hash == hash && slot.directory == directory && slot.node != kNoNode &&
            std::string_view(slot.name, slot.size) == name)
            return i;
    }
}

NodeId NameTable::find(DirectoryId directory, std::string_view name) const {
    return slots_[place(directory, name, hash(directory, name))].node;
}

void NameTable::insert(DirectoryId directory, std::string_view name, NodeId node) {
    if (used_ * 4 >= slots_.size() * 3) grow(slots_.size() * 2);
    const std::uint32_t key = hash(directory, name);
    slots_[place(directory, name, key)] = {name.data(), static_cast<std::uint32_t>(name.size()),
                                           directory, node, key};
    ++used_;
}

void NameTable::erase(DirectoryId directory, std::string_view name) {
    slots_[place(directory, name, hash(directory, name))].node = kNoNode;
}

void NameTable::grow(std::size_t slots) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    used_ = 0;
    const std::size_t mask = slots - 1;
    for (const Slot& slot : old) {
        if (slot.node == kNoNode) continue;
        std::size_t i = slot.hash & mask;
        while (slots_[i].directory != 0) i = (i + 1) & mask;
        slots_[i] = slot;
        ++used_;
    }
}

}  // namespace hako::fsimage
