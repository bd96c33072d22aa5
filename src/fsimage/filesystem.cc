#include "fsimage/filesystem.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "fsimage/disk.h"
#include "fsimage/erofs/format.h"
#include "fsimage/erofs/reader.h"
#include "fsimage/ext4/reader.h"

namespace hako::fsimage {
namespace {

constexpr std::uint64_t kExt4MagicOffset = 1024 + 0x38;
constexpr std::uint16_t kExt4Magic = 0xEF53;

template <typename T>
bool has_at(const Disk& disk, std::uint64_t offset, T wanted) {
    std::array<std::byte, sizeof(T)> bytes;
    if (!disk.read_at(offset, bytes)) return false;
    return std::memcmp(bytes.data(), &wanted, sizeof wanted) == 0;
}

// The item of that name; lists are in order.
const DirectoryItem* find_item(const std::vector<DirectoryItem>& items, std::string_view name) {
    const auto found = std::ranges::lower_bound(items, name, {}, &DirectoryItem::name);
    return found != items.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

Result<std::unique_ptr<Filesystem>> open_filesystem(std::span<const std::filesystem::path> parts) {
    HAKO_TRY(Disk disk, Disk::open(parts));
    if (has_at(disk, erofs::kSuperOffset, erofs::kMagic))
        return erofs::open_filesystem(std::move(disk));
    if (parts.size() == 1 && has_at(disk, kExt4MagicOffset, kExt4Magic))
        return ext4::open_filesystem(parts.front());
    return fail(ErrorKind::invalid, "{} holds neither ext4 nor EROFS: name a disk that hako wrote",
                parts.empty() ? "" : parts.front().string());
}

Result<FileId> find_file(Filesystem& filesystem, std::string_view path) {
    constexpr int kMaxSymlinks = 40;
    int symlinks = 0;
    std::vector<FileId> walk{filesystem.root()};  // from the root to where we are, for ".."
    std::string rest(path);
    while (!rest.empty()) {
        const std::size_t slash = rest.find('/');
        const std::string name = rest.substr(0, slash);
        rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            if (walk.size() > 1) walk.pop_back();
            continue;
        }
        HAKO_TRY(const FileInfo folder, filesystem.describe(walk.back()));
        if (folder.entry.type != EntryType::directory)
            return fail(ErrorKind::not_found, "{}: a part of it is no folder", path);
        HAKO_TRY(const auto items, filesystem.list(walk.back()));
        const DirectoryItem* const item = find_item(items, name);
        if (item == nullptr) return fail(ErrorKind::not_found, "{} is not there", path);
        HAKO_TRY(const FileInfo found, filesystem.describe(item->id));
        if (found.entry.type != EntryType::symlink) {
            walk.push_back(item->id);
            continue;
        }
        if (++symlinks > kMaxSymlinks)
            return fail(ErrorKind::invalid, "{} is a loop of symbolic links", path);
        if (found.entry.link.starts_with('/')) walk.resize(1);
        rest = found.entry.link + "/" + rest;
    }
    return walk.back();
}

}  // namespace hako::fsimage
