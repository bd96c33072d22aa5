#include "images/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <vector>

namespace hako::images {
namespace {

constexpr int kBlockBytes = 256 << 10;  // of one write; also what is read at once

}  // namespace

// Drives libarchive into a Writer.
class ArchiveWriter::Tar {
public:
    explicit Tar(Writer& out) : out_(out), archive_(archive_write_new()) {
        // Extended headers only where a blob is too large for the plain ones.
        archive_write_set_format_pax_restricted(archive_);
        archive_write_set_bytes_per_block(archive_, kBlockBytes);
        archive_write_set_bytes_in_last_block(archive_, 1);
        archive_write_open(archive_, this, nullptr, &Tar::on_write, nullptr);
    }
    ~Tar() {
        archive_write_fail(archive_);
        archive_write_free(archive_);
    }
    Tar(const Tar&) = delete;
    Tar& operator=(const Tar&) = delete;

    Result<void> begin(const std::string& name, unsigned type, mode_t mode, std::uint64_t size) {
        const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(
            archive_entry_new(), &archive_entry_free);
        archive_entry_set_pathname(entry.get(), name.c_str());
        archive_entry_set_filetype(entry.get(), type);
        archive_entry_set_perm(entry.get(), mode);
        archive_entry_set_mtime(entry.get(), 0, 0);
        archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
        return check(archive_write_header(archive_, entry.get()));
    }
    Result<void> write(std::span<const std::byte> data) {
        return check(archive_write_data(archive_, data.data(), data.size()));
    }
    Result<void> finish() { return check(archive_write_close(archive_)); }

private:
    static la_ssize_t on_write(archive* archive, void* self, const void* data, std::size_t size) {
        auto& tar = *static_cast<Tar*>(self);
        const auto written = tar.out_.write({static_cast<const std::byte*>(data), size});
        if (written) return static_cast<la_ssize_t>(size);
        tar.error_ = written.error();
        archive_set_error(archive, EIO, "cannot write");
        return -1;
    }

    Result<void> check(la_ssize_t status) {
        if (status >= ARCHIVE_WARN) return {};
        if (error_) return fail(*error_);
        return fail(ErrorKind::internal, "cannot write the archive: {}",
                    archive_error_string(archive_));
    }

    Writer& out_;
    archive* archive_;
    std::optional<Error> error_;
};

ArchiveWriter::ArchiveWriter(Writer& out) : tar_(std::make_unique<Tar>(out)) {}
ArchiveWriter::~ArchiveWriter() = default;

Result<void> ArchiveWriter::add_folder(const std::string& name) {
    return tar_->begin(name, AE_IFDIR, 0755, 0);
}

Result<void> ArchiveWriter::add_file(const std::string& name, std::string_view content) {
    HAKO_CHECK(tar_->begin(name, AE_IFREG, 0644, content.size()));
    return tar_->write(as_bytes(content));
}

Result<void> ArchiveWriter::add_blob(const std::string& name, const oci::ContentStore& content,
                                     const oci::Digest& digest) {
    HAKO_TRY(auto blob, content.reader(digest));
    HAKO_CHECK(tar_->begin(name, AE_IFREG, 0644, blob->size()));
    std::vector<std::byte> buffer(kBlockBytes);
    while (true) {
        HAKO_TRY(const auto count, blob->read(buffer));
        if (count == 0) return {};
        HAKO_CHECK(tar_->write(std::span(buffer).first(count)));
    }
}

Result<void> ArchiveWriter::finish() { return tar_->finish(); }

}  // namespace hako::images
