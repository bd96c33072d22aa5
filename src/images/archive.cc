#include "images/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/disk_reserve.h"
#include "base/fd.h"

namespace hako::images {
namespace {

constexpr std::size_t kReadBytes = 256U << 10U;
constexpr int kMaxLinks = 16;

// "./a/../b" is "b". Empty: a name that leads out of the archive, or is none.
std::string normalize(const std::filesystem::path& name) {
    const auto normal = name.relative_path().lexically_normal().string();
    if (normal == "." || normal == ".." || normal.starts_with("../")) return {};
    return normal;
}

std::string to_name(const char* local, const char* utf8) {
    return local != nullptr ? local : utf8 != nullptr ? utf8 : "";
}

}  // namespace

// Drives libarchive over a Reader.
class ArchiveReader {
public:
    ArchiveReader(Reader& source, const ArchiveLimits& limits, Archive& result, int folder)
        : source_(source),
          limits_(limits),
          result_(result),
          reserve_(folder, limits.layer.min_free),
          archive_(archive_read_new()) {}
    ~ArchiveReader() { archive_read_free(archive_); }
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;

    Result<void> run() {
        archive_read_support_format_tar(archive_);
        archive_read_support_filter_gzip(archive_);
        archive_read_support_filter_zstd(archive_);
        if (archive_read_open(archive_, this, nullptr, &ArchiveReader::on_read, nullptr) !=
            ARCHIVE_OK)
            return failure();
        archive_entry* entry = nullptr;
        while (true) {
            const int status = archive_read_next_header(archive_, &entry);
            if (status == ARCHIVE_EOF) break;
            if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return failure();
            HAKO_CHECK(take(entry));
        }
        if (result_.members_.empty())
            return fail(ErrorKind::invalid, "archive is empty; docker save or skopeo make one");
        return {};
    }

private:
    static la_ssize_t on_read(archive*, void* self, const void** data) {
        auto& reader = *static_cast<ArchiveReader*>(self);
        auto count = reader.source_.read(reader.buffer_);
        if (!count) {
            reader.source_error_ = std::move(count).error();
            archive_set_error(reader.archive_, EIO, "cannot read");
            return ARCHIVE_FATAL;
        }
        *data = reader.buffer_.data();
        return static_cast<la_ssize_t>(*count);
    }

    tl::unexpected<Error> failure() {
        if (source_error_) return fail(*source_error_);
        const char* text = archive_error_string(archive_);
        return fail(ErrorKind::invalid,
                    "archive is damaged, cut short, or no tar of images ({}); save it again",
                    text != nullptr ? text : "unknown reason");
    }

    Result<void> take(archive_entry* entry) {
        if (++count_ > limits_.max_members)
            return fail(ErrorKind::too_large, "archive has more than {} members",
                        limits_.max_members);
        const auto name =
            normalize(to_name(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry)));
        if (name.empty()) return {};
        const auto hard =
            to_name(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
        if (!hard.empty()) {
            result_.links_[name] = normalize(hard);
        } else if (archive_entry_filetype(entry) == AE_IFLNK) {
            const auto target =
                to_name(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
            result_.links_[name] = normalize(std::filesystem::path(name).parent_path() / target);
        } else if (archive_entry_filetype(entry) == AE_IFREG) {
            return with_context(store(name), "archive member " + name);
        }
        return {};
    }

    Result<void> store(const std::string& name) {
        HAKO_TRY(auto blob, result_.content_.ingest());
        while (true) {
            const auto size = archive_read_data(archive_, chunk_.data(), chunk_.size());
            if (size < 0) return failure();
            if (size == 0) break;
            HAKO_CHECK(spend(static_cast<std::uint64_t>(size)));
            HAKO_CHECK(blob->write(std::span(chunk_).first(static_cast<std::size_t>(size))));
        }
        HAKO_TRY(auto digest, blob->finish());
        result_.members_.insert_or_assign(name,
                                          Archive::Member{std::move(blob), std::move(digest)});
        return {};
    }

    Result<void> spend(std::uint64_t bytes) {
        bytes_ += bytes;
        if (bytes_ > limits_.max_bytes)
            return fail(ErrorKind::too_large, "archive holds more than {} bytes",
                        limits_.max_bytes);
        const auto stored = static_cast<double>(archive_filter_bytes(archive_, -1));
        if (bytes_ > limits_.layer.ratio_floor &&
            static_cast<double>(bytes_) > stored * limits_.layer.max_ratio)
            return fail(ErrorKind::too_large,
                        "archive unpacks to more than {} times its size, the limit "
                        "(max-layer-ratio)",
                        limits_.layer.max_ratio);
        return reserve_.spend(bytes);
    }

    Reader& source_;
    const ArchiveLimits& limits_;
    Archive& result_;
    DiskReserve reserve_;
    archive* archive_;
    std::optional<Error> source_error_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kReadBytes);
    std::vector<std::byte> chunk_ = std::vector<std::byte>(kReadBytes);
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;
};

Result<Archive> Archive::read(Reader& source, const oci::ContentStore& content,
                              const ArchiveLimits& limits) {
    HAKO_TRY(const Fd folder, open_file(content.folder(), O_RDONLY | O_DIRECTORY));
    Archive result(content);
    HAKO_CHECK(ArchiveReader(source, limits, result, folder.get()).run());
    return result;
}

std::optional<std::string> Archive::resolve(std::string_view name) const {
    auto current = normalize(name);
    for (int i = 0; i < kMaxLinks; ++i) {
        if (members_.contains(current)) return current;
        const auto link = links_.find(current);
        if (link == links_.end()) return std::nullopt;
        current = link->second;
    }
    return std::nullopt;
}

Result<Archive::Member*> Archive::find(std::string_view name) {
    const auto resolved = resolve(name);
    if (!resolved)
        return fail(ErrorKind::invalid, "archive has no member {}; it is incomplete, save it again",
                    name);
    return &members_.find(*resolved)->second;
}

Result<Json> Archive::json(std::string_view name, std::size_t limit) {
    HAKO_TRY(const auto* member, find(name));
    const auto path = member->kept ? content_.path_of(member->digest) : member->blob->path();
    HAKO_TRY(const auto text, with_context(read_file(path, limit), name));
    return with_context(parse_json(text, {.max_bytes = limit}), name);
}

Result<oci::Descriptor> Archive::keep(std::string_view name,
                                      const std::optional<oci::Digest>& expected) {
    HAKO_TRY(auto* member, find(name));
    const auto wanted = expected.value_or(member->digest);
    if (!member->kept || wanted != member->digest)
        HAKO_CHECK(with_context(member->blob->commit(wanted), fmt::format("member {}", name)));
    member->kept = true;
    return oci::Descriptor{
        .media_type = {}, .digest = member->digest, .size = member->blob->size()};
}

}  // namespace hako::images
