// The index of a layer: its entries in the order of the tar (docs/formats/layer.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fsimage/layer.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage {

// One entry as the index holds it. Texts are borrowed from the index.
struct IndexEntry {
    EntryType type = EntryType::file;
    bool same_parent = false;  // parent equals the one of the entry before
    std::string_view parent;   // normalized; "" is the root
    std::string_view name;     // "" only for the root itself, and for opaque
    std::string_view link;     // target of a symlink; normalized path of a hard link's target
    std::uint32_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    Timestamp mtime;
    std::uint64_t size = 0;
    std::uint64_t block = 0;  // where the contents begin in the data blob, in blocks
    std::string_view xattrs;  // for XattrCursor
};

// Walks the extended attributes of an entry.
class XattrCursor {
public:
    explicit XattrCursor(std::string_view encoded) : rest_(encoded) {}
    struct Xattr {
        std::string_view name;
        std::string_view value;
    };
    // nullopt at the end.
    std::optional<Xattr> next();

private:
    std::string_view rest_;
};

// Collects records and hands them to a file in large writes.
class IndexWriter {
public:
    explicit IndexWriter(int fd);  // borrowed; an empty file

    // same_parent is found out here. xattrs in the entry are ignored in favour of the map.
    Result<void> add(const IndexEntry& entry, const std::map<std::string, std::string>& xattrs);
    std::uint64_t entries() const { return entries_; }
    // Writes the header, which makes the file valid.
    Result<void> finish(const UnpackedLayer& layer);

private:
    Result<void> flush();

    int fd_;
    std::string buffer_;
    std::string parent_;
    bool first_ = true;
    std::uint64_t entries_ = 0;
    std::uint64_t whiteouts_ = 0;
    std::uint64_t written_ = 0;
    std::uint32_t checksum_;
};

// A whole index in memory, checked. Immutable; may be read by several threads.
class LayerIndex {
public:
    // ErrorKind::corrupt when the file is damaged or of another version.
    static Result<LayerIndex> load(const std::filesystem::path& path);

    const UnpackedLayer& layer() const { return layer_; }
    std::uint64_t whiteouts() const { return whiteouts_; }  // opaque ones included

    class Cursor {
    public:
        // The next entry; nullopt at the end.
        Result<std::optional<IndexEntry>> next();

    private:
        friend class LayerIndex;
        explicit Cursor(std::string_view records) : rest_(records) {}
        std::string_view rest_;
        std::string_view parent_;
    };
    Cursor entries() const { return Cursor(records_); }

private:
    std::unique_ptr<char[]> bytes_;
    std::string_view records_;
    UnpackedLayer layer_;
    std::uint64_t whiteouts_ = 0;
};

}  // namespace hako::fsimage
