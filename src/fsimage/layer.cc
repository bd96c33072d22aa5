#include "fsimage/layer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <system_error>

#include "base/disk_reserve.h"
#include "base/sha256.h"
#include "fsimage/blob_writer.h"
#include "fsimage/decompress.h"
#include "fsimage/index.h"
#include "fsimage/layer_path.h"
#include "fsimage/output_file.h"
#include "fsimage/tar/reader.h"

namespace hako::fsimage {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr std::string_view kAufsPrefix = ".wh..wh.";  // aufs' own bookkeeping, not for us

// The uncompressed tar: counted, hashed, and held against the limits.
class TarStream : public Reader {
public:
    TarStream(Decompressor& source, const LayerLimits& limits) : source_(source), limits_(limits) {}

    Result<std::size_t> read(std::span<std::byte> buffer) override {
        HAKO_TRY(const std::size_t count, source_.read(buffer));
        hash_.update(buffer.first(count));
        total_ += count;
        if (total_ > limits_.max_bytes)
            return fail(ErrorKind::too_large,
                        "the layer unpacks to more than {} bytes, the limit (max-layer-size)",
                        limits_.max_bytes);
        const auto stored = static_cast<double>(source_.compressed_bytes());
        if (total_ > limits_.ratio_floor &&
            static_cast<double>(total_) > stored * limits_.max_ratio)
            return fail(ErrorKind::too_large,
                        "the layer unpacks to more than {} times its size, the limit "
                        "(max-layer-ratio)",
                        limits_.max_ratio);
        return count;
    }
    std::uint64_t total() const { return total_; }
    std::string diff_id() { return "sha256:" + hash_.hex_digest(); }

private:
    Decompressor& source_;
    const LayerLimits& limits_;
    Sha256 hash_;
    std::uint64_t total_ = 0;
};

Result<void> check_xattrs(const TarEntry& entry) {
    for (const auto& [name, value] : entry.xattrs) {
        if (name.empty() || name.size() > 255 || name.find('\0') != std::string::npos ||
            value.size() > std::numeric_limits<std::uint16_t>::max())
            return fail(ErrorKind::invalid, "{} has an extended attribute that Linux cannot hold",
                        entry.path);
    }
    return {};
}

// Turns one tar into a blob and an index.
class Unpacker {
public:
    Unpacker(TarReader& tar, int data, int index, const LayerLimits& limits)
        : tar_(tar), blob_(data), index_(index), limits_(limits), reserve_(data, limits.min_free) {}

    Result<void> run() {
        for (;;) {
            HAKO_TRY(const std::optional<TarEntry> entry, tar_.next());
            if (!entry) return tar_.drain();
            HAKO_CHECK(add(*entry));
            if (index_.entries() > limits_.max_entries)
                return fail(ErrorKind::too_large,
                            "the layer has more than {} files, the limit (max-layer-files)",
                            limits_.max_entries);
        }
    }

    Result<std::uint64_t> finish_data() { return blob_.finish(); }
    Result<void> finish_index(const UnpackedLayer& layer) { return index_.finish(layer); }
    std::uint64_t entries() const { return index_.entries(); }

private:
    Result<void> add(const TarEntry& entry) {
        HAKO_TRY(const std::string path, normalize_path(entry.path));
        const auto [parent, name] = split_path(path);
        if (name.starts_with(kWhiteoutPrefix)) return add_whiteout(parent, name);
        if (name.empty() && entry.type != EntryType::directory)
            return fail(ErrorKind::invalid, "the layer has a root that is no directory");
        HAKO_CHECK(check_xattrs(entry));

        IndexEntry record{.type = entry.type, .parent = parent, .name = name};
        record.mode = entry.mode;
        record.uid = entry.uid;
        record.gid = entry.gid;
        record.major = entry.major;
        record.minor = entry.minor;
        record.mtime = entry.mtime;
        std::string target;
        if (entry.type == EntryType::hardlink) {
            HAKO_TRY(target, normalize_path(entry.link));
            record.link = target;
        } else if (entry.type == EntryType::symlink) {
            HAKO_CHECK(check_symlink(entry));
            record.link = entry.link;
        } else if (entry.type == EntryType::file) {
            HAKO_CHECK(copy_contents(entry, record));
        }
        return index_.add(record, entry.xattrs);
    }

    Result<void> add_whiteout(std::string_view parent, std::string_view name) {
        if (name == kOpaqueName)
            return index_.add({.type = EntryType::opaque, .parent = parent}, {});
        if (name.starts_with(kAufsPrefix)) return {};
        name.remove_prefix(kWhiteoutPrefix.size());
        if (name.empty() || name == "." || name == "..")
            return fail(ErrorKind::invalid, "the layer has a whiteout that names no file, in /{}",
                        parent);
        return index_.add({.type = EntryType::whiteout, .parent = parent, .name = name}, {});
    }

    static Result<void> check_symlink(const TarEntry& entry) {
        constexpr std::size_t kMaxTarget = 4095;
        if (entry.link.empty() || entry.link.size() > kMaxTarget)
            return fail(ErrorKind::invalid, "the symbolic link {} has a target of {} bytes",
                        entry.path, entry.link.size());
        return {};
    }

    Result<void> copy_contents(const TarEntry& entry, IndexEntry& record) {
        record.size = entry.size;
        if (entry.size == 0) return {};
        record.block = blob_.begin_file();
        // Before it is written: a sparse file may claim any size.
        const std::uint64_t room =
            limits_.max_bytes - std::min(limits_.max_bytes, record.block * kBlockSize);
        if (entry.size > room)
            return fail(ErrorKind::too_large,
                        "the layer unpacks to more than {} bytes, the limit (max-layer-size)",
                        limits_.max_bytes);
        for (;;) {
            HAKO_TRY(const auto piece, tar_.next_piece());
            if (!piece) break;
            HAKO_CHECK(reserve_.spend(piece->bytes.size()));
            HAKO_CHECK(blob_.write(record.block, piece->offset, piece->bytes));
        }
        blob_.end_file(record.block, entry.size);
        return {};
    }

    TarReader& tar_;
    BlobWriter blob_;
    IndexWriter index_;
    const LayerLimits& limits_;
    DiskReserve reserve_;
};

}  // namespace

Result<UnpackedLayer> unpack_layer(Reader& layer, const std::filesystem::path& data,
                                   const std::filesystem::path& index, const LayerLimits& limits) {
    HAKO_TRY(OutputFile data_file, OutputFile::create(data));
    HAKO_TRY(OutputFile index_file, OutputFile::create(index));
    HAKO_TRY(const auto plain, open_decompressor(layer));
    TarStream stream(*plain, limits);
    TarReader tar(stream);
    Unpacker unpacker(tar, data_file.fd(), index_file.fd(), limits);
    HAKO_CHECK(unpacker.run());

    UnpackedLayer unpacked;
    HAKO_TRY(unpacked.data_bytes, unpacker.finish_data());
    unpacked.diff_id = stream.diff_id();
    unpacked.tar_bytes = stream.total();
    unpacked.entries = unpacker.entries();
    HAKO_CHECK(unpacker.finish_index(unpacked));
    HAKO_CHECK(data_file.commit());
    if (auto committed = index_file.commit(); !committed) {
        std::error_code ignored;
        std::filesystem::remove(data, ignored);  // of no use without its index
        return fail(std::move(committed).error());
    }
    return unpacked;
}

}  // namespace hako::fsimage
