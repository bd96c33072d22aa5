// What a tar says about one file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace hako::fsimage {

enum class EntryType : std::uint8_t {
    file = 0,
    directory = 1,
    symlink = 2,
    hardlink = 3,
    character_device = 4,
    block_device = 5,
    fifo = 6,
    whiteout = 7,  // of layers only: hides a name of the layers below
    opaque = 8,    // of layers only: hides all that the layers below have in its directory
};

// Since 1970, UTC; before it seconds are negative, nanoseconds always count forward.
struct Timestamp {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    bool operator==(const Timestamp&) const = default;
};

struct TarEntry {
    std::string path;  // as written: may be absolute, hold "..", end with a slash
    std::string link;  // of symlinks and hard links, as written
    EntryType type = EntryType::file;
    std::uint32_t mode = 0;  // permission bits, 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    Timestamp mtime;
    std::uint64_t size = 0;  // of the file as seen, holes included; 0 for all but files
    std::map<std::string, std::string> xattrs;
};

}  // namespace hako::fsimage
