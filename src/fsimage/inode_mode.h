// Types of files and numbers of devices as inodes hold them, in EROFS as in ext4.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>

#include "fsimage/tar/entry.h"

namespace hako::fsimage {

constexpr std::uint32_t mode_type(EntryType type) {
    switch (type) {
        case EntryType::directory: return S_IFDIR;
        case EntryType::symlink: return S_IFLNK;
        case EntryType::character_device: return S_IFCHR;
        case EntryType::block_device: return S_IFBLK;
        case EntryType::fifo: return S_IFIFO;
        default: return S_IFREG;
    }
}

// nullopt for sockets and what is nothing.
constexpr std::optional<EntryType> entry_type(std::uint32_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return EntryType::file;
        case S_IFDIR: return EntryType::directory;
        case S_IFLNK: return EntryType::symlink;
        case S_IFCHR: return EntryType::character_device;
        case S_IFBLK: return EntryType::block_device;
        case S_IFIFO: return EntryType::fifo;
        default: return std::nullopt;
    }
}

// The kernel's new_encode_dev(): 12 bits of major, 20 of minor.
constexpr std::uint32_t encode_device(std::uint32_t major, std::uint32_t minor) {
    return (minor & 0xFFU) | (major & 0xFFFU) << 8U | (minor & 0xFFF00U) << 12U;
}
constexpr std::uint32_t device_major(std::uint32_t device) { return device >> 8U & 0xFFFU; }
constexpr std::uint32_t device_minor(std::uint32_t device) {
    return (device & 0xFFU) | (device >> 12U & 0xFFF00U);
}

}  // namespace hako::fsimage
