#include "fsimage/index.h"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/fd.h"
#include "fsimage/blob_writer.h"
#include "fsimage/output_file.h"
#include "fsimage/varint.h"

namespace hako::fsimage {
namespace {

static_assert(std::endian::native == std::endian::little, "both formats are little-endian");

constexpr std::array<char, 8> kIndexMagic{'H', 'A', 'K', 'O', 'L', 'A', 'Y', 'R'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint8_t kSameParent = 0x80;
constexpr std::size_t kFlushAt = 256 * 1024;

struct Header {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t records_checksum;  // CRC-32C
    std::uint64_t records_bytes;
    std::uint64_t entries;
    std::uint64_t whiteouts;
    std::uint64_t tar_bytes;
    std::uint64_t data_bytes;
    std::array<std::uint8_t, 32> diff_id;  // SHA-256 of the tar
    std::uint32_t reserved;
    std::uint32_t header_checksum;  // CRC-32C of all before
};
static_assert(sizeof(Header) == 96 && std::has_unique_object_representations_v<Header>);

std::uint32_t crc32c(std::uint32_t start, const void* data, std::size_t size) {
    auto* bytes = static_cast<unsigned char*>(const_cast<void*>(data));  // only read by ISA-L
    while (size > 0) {
        const std::size_t step = std::min<std::size_t>(size, 1U << 30U);  // it counts in int
        start = crc32_iscsi(bytes, static_cast<int>(step), start);
        bytes += step;
        size -= step;
    }
    return start;
}

std::uint32_t header_checksum(const Header& header) {
    return crc32c(~0U, &header, offsetof(Header, header_checksum));
}

constexpr std::string_view kDigestPrefix = "sha256:";

Result<std::array<std::uint8_t, 32>> digest_bytes(std::string_view digest) {
    std::array<std::uint8_t, 32> bytes{};
    if (!digest.starts_with(kDigestPrefix) || digest.size() != kDigestPrefix.size() + 64)
        return fail(ErrorKind::internal, "{} is no SHA-256 digest", digest);
    digest.remove_prefix(kDigestPrefix.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char* const pair = digest.data() + 2 * i;
        if (std::from_chars(pair, pair + 2, bytes[i], 16).ptr != pair + 2)
            return fail(ErrorKind::internal, "{} is no SHA-256 digest", digest);
    }
    return bytes;
}

std::string digest_text(const std::array<std::uint8_t, 32>& bytes) {
    std::string text(kDigestPrefix);
    for (const std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    return text;
}

}  // namespace

std::optional<XattrCursor::Xattr> XattrCursor::next() {
    if (rest_.empty()) return std::nullopt;
    VarintReader reader(rest_);
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    rest_ = reader.rest();
    if (!reader.good()) return std::nullopt;
    return Xattr{name, value};
}

IndexWriter::IndexWriter(int fd) : fd_(fd), buffer_(sizeof(Header), '\0'), checksum_(~0U) {}

Result<void> IndexWriter::add(const IndexEntry& entry,
                              const std::map<std::string, std::string>& xattrs) {
    const bool same_parent = !first_ && entry.parent == parent_;
    buffer_ +=
        static_cast<char>(static_cast<std::uint8_t>(entry.type) | (same_parent ? kSameParent : 0));
    if (!same_parent) {
        put_text(buffer_, entry.parent);
        parent_ = entry.parent;
        first_ = false;
    }
    put_text(buffer_, entry.name);
    ++entries_;
    if (entry.type == EntryType::whiteout || entry.type == EntryType::opaque) {
        ++whiteouts_;
    } else if (entry.type == EntryType::hardlink) {
        put_text(buffer_, entry.link);
    } else {
        put_number(buffer_, entry.mode);
        put_number(buffer_, entry.uid);
        put_number(buffer_, entry.gid);
        put_signed(buffer_, entry.mtime.seconds);
        put_number(buffer_, entry.mtime.nanoseconds);
        std::string encoded;
        for (const auto& [name, value] : xattrs) {
            put_text(encoded, name);
            put_text(encoded, value);
        }
        put_text(buffer_, encoded);
        if (entry.type == EntryType::file) {
            put_number(buffer_, entry.size);
            if (entry.size > 0) put_number(buffer_, entry.block);
        } else if (entry.type == EntryType::symlink) {
            put_text(buffer_, entry.link);
        } else if (entry.type == EntryType::character_device ||
                   entry.type == EntryType::block_device) {
            put_number(buffer_, entry.major);
            put_number(buffer_, entry.minor);
        }
    }
    return buffer_.size() < kFlushAt ? Result<void>() : flush();
}

Result<void> IndexWriter::flush() {
    // The header's place stays zero until the end: an unfinished file is never valid.
    const std::size_t skip = written_ == 0 ? sizeof(Header) : 0;
    checksum_ = crc32c(checksum_, buffer_.data() + skip, buffer_.size() - skip);
    HAKO_CHECK(write_at(fd_, written_, as_bytes(buffer_)));
    written_ += buffer_.size();
    buffer_.clear();
    return {};
}

Result<void> IndexWriter::finish(const UnpackedLayer& layer) {
    HAKO_CHECK(flush());
    Header header{};
    header.magic = kIndexMagic;
    header.version = kVersion;
    header.records_checksum = checksum_;
    header.records_bytes = written_ - sizeof(Header);
    header.entries = entries_;
    header.whiteouts = whiteouts_;
    header.tar_bytes = layer.tar_bytes;
    header.data_bytes = layer.data_bytes;
    HAKO_TRY(header.diff_id, digest_bytes(layer.diff_id));
    header.header_checksum = header_checksum(header);
    return write_at(fd_, 0, std::as_bytes(std::span(&header, 1)));
}

Result<LayerIndex> LayerIndex::load(const std::filesystem::path& path) {
    HAKO_TRY(const Fd file, open_file(path, O_RDONLY));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0)
        return fail_errno(errno, "cannot read {}", path.string());
    const auto size = static_cast<std::size_t>(status.st_size);
    const auto damaged = [&](std::string_view why) {
        return fail(ErrorKind::corrupt, "the layer index {} {}: pull the image again",
                    path.string(), why);
    };
    if (size < sizeof(Header)) return damaged("is too short");
    LayerIndex index;
    index.bytes_ = std::make_unique_for_overwrite<char[]>(size);
    const auto buffer = std::as_writable_bytes(std::span(index.bytes_.get(), size));
    HAKO_TRY(const std::size_t count, read_full(file.get(), buffer));
    if (count != size) return damaged("is too short");

    Header header{};
    std::memcpy(&header, index.bytes_.get(), sizeof header);
    if (header.magic != kIndexMagic) return damaged("is none");
    if (header.version != kVersion) return damaged("is of another version of hako");
    if (header.header_checksum != header_checksum(header)) return damaged("is damaged");
    index.records_ = std::string_view(index.bytes_.get(), size).substr(sizeof header);
    if (header.records_bytes != index.records_.size()) return damaged("has a wrong length");
    if (header.records_checksum != crc32c(~0U, index.records_.data(), index.records_.size()))
        return damaged("is damaged");
    if (header.data_bytes % kBlockSize != 0) return damaged("is inconsistent");
    index.whiteouts_ = header.whiteouts;
    index.layer_ = {digest_text(header.diff_id), header.tar_bytes, header.data_bytes,
                    header.entries};
    return index;
}

Result<std::optional<IndexEntry>> LayerIndex::Cursor::next() {
    if (rest_.empty()) return std::nullopt;
    IndexEntry entry;
    const auto tag = static_cast<std::uint8_t>(rest_.front());
    VarintReader reader(rest_.substr(1));
    entry.type = static_cast<EntryType>(tag & ~kSameParent);
    entry.same_parent = (tag & kSameParent) != 0;
    if (!entry.same_parent) parent_ = reader.text();
    entry.parent = parent_;
    entry.name = reader.text();
    if (entry.type == EntryType::hardlink) {
        entry.link = reader.text();
    } else if (entry.type != EntryType::whiteout && entry.type != EntryType::opaque) {
        entry.mode = reader.number32();
        entry.uid = reader.number32();
        entry.gid = reader.number32();
        entry.mtime.seconds = reader.signed_number();
        entry.mtime.nanoseconds = reader.number32();
        entry.xattrs = reader.text();
        if (entry.type == EntryType::file) {
            entry.size = reader.number();
            if (entry.size > 0) entry.block = reader.number();
        } else if (entry.type == EntryType::symlink) {
            entry.link = reader.text();
        } else if (entry.type == EntryType::character_device ||
                   entry.type == EntryType::block_device) {
            entry.major = reader.number32();
            entry.minor = reader.number32();
        }
    }
    if (!reader.good() || entry.type > EntryType::opaque)
        return fail(ErrorKind::corrupt, "a layer index is inconsistent: pull the image again");
    rest_ = reader.rest();
    return entry;
}

}  // namespace hako::fsimage
