// Reads the file systems that hako writes - EROFS and ext4 - without mounting them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage {

// What the file system numbers its inodes by.
using FileId = std::uint64_t;

struct FileInfo {
    TarEntry entry;           // its path is empty, since a file may have several
    std::uint32_t links = 1;  // names of the file
};

struct DirectoryItem {
    std::string name;
    FileId id = 0;
};

// What lies on the disk is not trusted: damage is ErrorKind::corrupt. Not thread-safe.
class Filesystem {
public:
    Filesystem() = default;
    Filesystem(const Filesystem&) = delete;
    Filesystem& operator=(const Filesystem&) = delete;
    virtual ~Filesystem() = default;

    virtual FileId root() const = 0;
    // The number of its inodes in use, for progress and to size a copy.
    virtual std::uint64_t inodes() const = 0;
    virtual Result<FileInfo> describe(FileId file) = 0;
    // In the order of the names' bytes, without "." and "..".
    virtual Result<std::vector<DirectoryItem>> list(FileId directory) = 0;
    // Of a regular file, holes as zeros. How much was read: 0 at the end.
    virtual Result<std::size_t> read(FileId file, std::uint64_t offset,
                                     std::span<std::byte> buffer) = 0;
};

// Told apart by their magic; the parts are joined end to end. Anything else is invalid.
Result<std::unique_ptr<Filesystem>> open_filesystem(std::span<const std::filesystem::path> parts);

// The file that a path names, symbolic links followed within the file system: not_found.
Result<FileId> find_file(Filesystem& filesystem, std::string_view path);

}  // namespace hako::fsimage
