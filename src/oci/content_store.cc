#include "oci/content_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/paths.h"
#include "base/units.h"
#include "oci/digest_folder.h"

namespace hako::oci {
namespace {

std::filesystem::path blobs_of(const std::filesystem::path& folder) {
    return folder / "blobs" / "sha256";
}
std::filesystem::path ingest_of(const std::filesystem::path& folder) { return folder / "ingest"; }

tl::unexpected<Error> damaged(const Digest& digest) {
    return fail(ErrorKind::corrupt,
                "blob {} is damaged on disk: hako system check --repair removes it, then pull the "
                "image again",
                digest.text());
}

}  // namespace

BlobWriter::~BlobWriter() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> BlobWriter::write(std::span<const std::byte> data) {
    HAKO_CHECK(with_context(write_all(file_.get(), data), "cannot write a blob"));
    hash_.update(data);
    size_ += data.size();
    return {};
}

Result<Digest> BlobWriter::finish() {
    if (digest_) return *digest_;
    file_.reset();
    digest_ = Digest{hash_.hex_digest()};
    return *digest_;
}

Result<void> BlobWriter::commit(const Digest& expected) {
    HAKO_TRY(const auto digest, finish());
    if (digest != expected)
        return fail(ErrorKind::corrupt,
                    "blob {} arrived with other content (its digest is {}); try again, and if it "
                    "stays so, the source is damaged",
                    expected.text(), digest.text());
    const auto target = blobs_ / digest.hex;
    if (::rename(path_.c_str(), target.c_str()) != 0)
        return fail_errno(errno, "cannot keep blob {}", digest.text());
    path_.clear();
    return {};
}

Result<ContentStore> ContentStore::open(const std::filesystem::path& folder) {
    // Whatever lies in ingest belongs to a process that is gone.
    std::error_code error;
    std::filesystem::remove_all(ingest_of(folder), error);
    HAKO_CHECK(make_folders(blobs_of(folder)));
    HAKO_CHECK(make_folders(ingest_of(folder)));
    return ContentStore(folder);
}

std::filesystem::path ContentStore::path_of(const Digest& digest) const {
    return blobs_of(folder_) / digest.hex;
}

std::uint64_t ContentStore::size(const Digest& digest) const {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path_of(digest), error);
    return error ? 0 : bytes;
}

bool ContentStore::has(const Digest& digest) const {
    return ::access(path_of(digest).c_str(), F_OK) == 0;
}

Result<std::unique_ptr<BlobWriter>> ContentStore::ingest() const {
    auto path = ingest_of(folder_) / random_id().substr(0, 16);
    HAKO_TRY(auto file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    return std::unique_ptr<BlobWriter>(
        new BlobWriter(std::move(path), blobs_of(folder_), std::move(file)));
}

Result<Digest> ContentStore::put(std::string_view bytes) const {
    HAKO_TRY(auto writer, ingest());
    HAKO_CHECK(writer->write(as_bytes(bytes)));
    HAKO_TRY(auto digest, writer->finish());
    HAKO_CHECK(writer->commit(digest));
    return digest;
}

Result<std::string> ContentStore::read(const Digest& digest, std::size_t limit) const {
    HAKO_TRY(auto bytes, read_file(path_of(digest), limit));
    if (Digest::of(as_bytes(bytes)) != digest) return damaged(digest);
    return bytes;
}

Result<Fd> ContentStore::open_blob(const Digest& digest) const {
    return open_file(path_of(digest), O_RDONLY);
}

Result<std::unique_ptr<BlobReader>> ContentStore::reader(const Digest& digest) const {
    auto file = open_blob(digest);
    if (!file && file.error().kind() == ErrorKind::not_found)
        return fail(ErrorKind::not_found, "blob {} is missing; pull the image again",
                    digest.text());
    if (!file) return fail(std::move(file).error());
    struct stat status {};
    if (::fstat(file->get(), &status) != 0)
        return fail_errno(errno, "cannot read blob {}", digest.text());
    return std::make_unique<BlobReader>(*std::move(file),
                                        static_cast<std::uint64_t>(status.st_size), digest);
}

Result<std::size_t> BlobReader::read(std::span<std::byte> buffer) {
    HAKO_TRY(const auto count, read_some(file_.get(), buffer));
    hash_.update(buffer.first(count));
    if (count == 0 && !verified_ && hash_.hex_digest() != digest_.hex) return damaged(digest_);
    verified_ = count == 0;
    return count;
}

Result<void> ContentStore::remove(const Digest& digest) const {
    if (::unlink(path_of(digest).c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, "cannot remove blob {}", digest.text());
    return {};
}

Result<std::vector<Digest>> ContentStore::list() const {
    HAKO_TRY(auto content, list_digests(blobs_of(folder_)));
    return std::move(content.digests);
}

Result<std::vector<std::filesystem::path>> ContentStore::strays() const {
    return list_strays(blobs_of(folder_), ingest_of(folder_));
}

}  // namespace hako::oci
