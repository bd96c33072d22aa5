#include "fsimage/erofs/reader.h"

#include <isa-l/crc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "fsimage/blob_writer.h"
#include "fsimage/erofs/format.h"
#include "fsimage/erofs/xattr.h"
#include "fsimage/inode_mode.h"

namespace hako::fsimage::erofs {
namespace {

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::corrupt, "the EROFS is damaged ({}): create it again", what);
}

template <typename T>
T copy_out(std::span<const std::byte> bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

// An inode and where its parts lie.
struct Located {
    InodeRecord record;
    EntryType type;
    std::uint64_t xattrs;  // position on the disk
    std::uint32_t xattr_bytes;
    bool inline_tail;

    std::uint64_t tail() const { return xattrs + xattr_bytes; }
    std::uint64_t whole() const { return record.size / kBlockSize * kBlockSize; }
};

class ErofsReader : public Filesystem {
public:
    ErofsReader(Disk disk, const SuperBlock& super) : disk_(std::move(disk)), super_(super) {}

    FileId root() const override { return super_.root_nid; }
    std::uint64_t inodes() const override { return super_.inodes; }
    Result<FileInfo> describe(FileId file) override;
    Result<std::vector<DirectoryItem>> list(FileId directory) override;
    Result<std::size_t> read(FileId file, std::uint64_t offset,
                             std::span<std::byte> buffer) override;

private:
    Result<Located> locate(FileId file) const;
    Result<void> read_content(const Located& inode, std::uint64_t offset,
                              std::span<std::byte> buffer) const;
    Result<void> read_xattrs(const Located& inode, TarEntry& entry) const;

    Disk disk_;
    SuperBlock super_;
};

Result<Located> ErofsReader::locate(FileId file) const {
    if (file > disk_.size() / kSlotSize) return damaged("an inode lies past its end");
    const std::uint64_t position = file * kSlotSize;
    std::array<std::byte, sizeof(InodeRecord)> bytes;
    HAKO_CHECK(disk_.read_at(position, bytes));
    Located inode{copy_out<InodeRecord>(bytes), EntryType::file, position + bytes.size(), 0, false};
    const InodeRecord& record = inode.record;
    inode.inline_tail = record.format == inode_format(DataLayout::inline_tail);
    if (!inode.inline_tail && record.format != inode_format(DataLayout::plain))
        return fail(ErrorKind::unimplemented,
                    "the EROFS has inodes of a kind that hako does not write: mount it instead");
    const auto type = entry_type(record.mode);
    if (!type) return damaged("an inode has no type");
    inode.type = *type;
    if (record.xattr_count > 0)
        inode.xattr_bytes = sizeof(XattrHeader) + (record.xattr_count - 1U) * 4U;

    // So that sizes can be trusted from here on.
    const std::uint64_t stored = inode.inline_tail ? inode.whole() : record.size;
    const std::uint64_t start = std::uint64_t{record.raw_block} * kBlockSize;
    const bool has_content = inode.type == EntryType::file || inode.type == EntryType::directory ||
                             inode.type == EntryType::symlink;
    if (has_content && stored > 0 && (start > disk_.size() || stored > disk_.size() - start))
        return damaged("a file lies past its end");
    return inode;
}

Result<void> ErofsReader::read_content(const Located& inode, std::uint64_t offset,
                                       std::span<std::byte> buffer) const {
    const std::uint64_t stored = inode.inline_tail ? inode.whole() : inode.record.size;
    const std::uint64_t in_blocks = offset < stored ? stored - offset : 0;
    const auto front = buffer.first(std::min<std::uint64_t>(buffer.size(), in_blocks));
    const std::uint64_t start = std::uint64_t{inode.record.raw_block} * kBlockSize;
    if (!front.empty()) HAKO_CHECK(disk_.read_at(start + offset, front));
    const auto back = buffer.subspan(front.size());
    if (back.empty()) return {};
    return disk_.read_at(inode.tail() + offset + front.size() - stored, back);
}

Result<void> ErofsReader::read_xattrs(const Located& inode, TarEntry& entry) const {
    if (inode.xattr_bytes == 0) return {};
    std::vector<std::byte> bytes(inode.xattr_bytes);
    HAKO_CHECK(disk_.read_at(inode.xattrs, bytes));
    auto xattrs = parse_xattrs(bytes);
    if (!xattrs) return damaged("the attributes of a file");
    entry.xattrs = *std::move(xattrs);
    return {};
}

Result<FileInfo> ErofsReader::describe(FileId file) {
    HAKO_TRY(const Located inode, locate(file));
    FileInfo info;
    TarEntry& entry = info.entry;
    const InodeRecord& record = inode.record;
    entry.type = inode.type;
    entry.mode = record.mode & 07777U;
    entry.uid = record.uid;
    entry.gid = record.gid;
    entry.mtime = {record.mtime, record.mtime_nsec};
    info.links = record.links;
    if (entry.mtime.nanoseconds >= 1'000'000'000) return damaged("the time of a file");
    if (entry.type == EntryType::file) {
        entry.size = record.size;
    } else if (entry.type == EntryType::symlink) {
        if (record.size == 0 || record.size >= kBlockSize) return damaged("a symbolic link");
        entry.link.resize(record.size);
        HAKO_CHECK(read_content(inode, 0, std::as_writable_bytes(std::span(entry.link))));
        if (entry.link.find('\0') != std::string::npos) return damaged("a symbolic link");
    } else if (entry.type == EntryType::character_device || entry.type == EntryType::block_device) {
        entry.major = device_major(record.raw_block);
        entry.minor = device_minor(record.raw_block);
    }
    HAKO_CHECK(read_xattrs(inode, entry));
    return info;
}

// The names of one block of a directory.
Result<void> parse_directory_block(std::span<const std::byte> block,
                                   std::vector<DirectoryItem>& items) {
    constexpr std::size_t kRecord = sizeof(DirectoryRecord);
    const auto record = [&](std::size_t i) {
        return copy_out<DirectoryRecord>(block.subspan(i * kRecord));
    };
    if (block.size() < kRecord) return damaged("a folder");
    const std::size_t names = record(0).name_offset;
    if (names < kRecord || names % kRecord != 0 || names > block.size()) return damaged("a folder");
    const std::size_t count = names / kRecord;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t begin = record(i).name_offset;
        const std::size_t end = i + 1 < count ? record(i + 1).name_offset : block.size();
        if (begin < names || begin >= end || end > block.size()) return damaged("a folder");
        std::string_view name = as_text(block.subspan(begin, end - begin));
        name = name.substr(0, name.find('\0'));  // the last one ends where its block does
        if (name == "." || name == "..") continue;
        if (name.empty() || name.size() > 255 || name.find('/') != std::string_view::npos)
            return damaged("a name");
        items.push_back({std::string(name), record(i).nid});
    }
    return {};
}

Result<std::vector<DirectoryItem>> ErofsReader::list(FileId directory) {
    HAKO_TRY(const Located inode, locate(directory));
    if (inode.type != EntryType::directory)
        return fail(ErrorKind::invalid, "it is no folder: name one");
    std::vector<DirectoryItem> items;
    std::array<std::byte, kBlockSize> block;
    for (std::uint64_t offset = 0; offset < inode.record.size; offset += kBlockSize) {
        const auto part =
            std::span(block).first(std::min<std::uint64_t>(kBlockSize, inode.record.size - offset));
        HAKO_CHECK(read_content(inode, offset, part));
        HAKO_CHECK(parse_directory_block(part, items));
    }
    for (std::size_t i = 1; i < items.size(); ++i) {
        if (items[i - 1].name >= items[i].name) return damaged("the order of a folder's names");
    }
    return items;
}

Result<std::size_t> ErofsReader::read(FileId file, std::uint64_t offset,
                                      std::span<std::byte> buffer) {
    HAKO_TRY(const Located inode, locate(file));
    if (inode.type != EntryType::file)
        return fail(ErrorKind::invalid, "it is no regular file: name one");
    const std::uint64_t rest = inode.record.size - std::min(offset, inode.record.size);
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), rest));
    HAKO_CHECK(read_content(inode, offset, buffer.first(count)));
    return count;
}

}  // namespace

Result<std::unique_ptr<Filesystem>> open_filesystem(Disk disk) {
    std::array<std::byte, kBlockSize - kSuperOffset> bytes;
    HAKO_CHECK(disk.read_at(kSuperOffset, bytes));
    auto super = copy_out<SuperBlock>(bytes);
    if (super.magic != kMagic) return fail(ErrorKind::invalid, "this is no EROFS");
    if (super.block_bits != kBlockBits || super.feature_incompat != 0 || super.meta_block != 0 ||
        super.extension_slots != 0 || (super.feature_compat & kCompatChecksum) == 0)
        return fail(ErrorKind::unimplemented,
                    "the EROFS has features that hako does not write: mount it instead");
    const std::uint32_t stored = super.checksum;
    super.checksum = 0;
    std::memcpy(bytes.data(), &super, sizeof super);
    if (crc32_iscsi(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()),
                    ~0U) != stored)
        return damaged("the checksum of its superblock");
    if (std::uint64_t{super.blocks} * kBlockSize > disk.size()) return damaged("it is cut short");
    return std::make_unique<ErofsReader>(std::move(disk), super);
}

}  // namespace hako::fsimage::erofs
