// Blobs by their digest, in the folders of an OCI layout: <folder>/blobs/sha256/<hex>. A blob is
// verified while it enters and is never changed afterwards. Nothing is synced here: who relies on a
// blob after a power failure has it written to the disk (images/settling.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/stream.h"
#include "oci/digest.h"

namespace hako::oci {

// A blob on its way in: a temporary file that goes away unless it is committed. Used by one thread
// at a time.
class BlobWriter : public Writer {
public:
    ~BlobWriter() override;

    // ErrorKind::exhausted when the disk is full.
    Result<void> write(std::span<const std::byte> data) override;
    std::uint64_t size() const { return size_; }

    // Ends writing: closes the file, returns the digest of what was written.
    Result<Digest> finish();
    // After finish(): moves the blob into the store, if it is what was expected; otherwise
    // ErrorKind::corrupt. A blob that is there already is fine.
    Result<void> commit(const Digest& expected);
    // After finish(), until commit(): where the bytes are.
    const std::filesystem::path& path() const { return path_; }

private:
    friend class ContentStore;
    BlobWriter(std::filesystem::path path, std::filesystem::path blobs, Fd file)
        : path_(std::move(path)), blobs_(std::move(blobs)), file_(std::move(file)) {}

    std::filesystem::path path_;
    std::filesystem::path blobs_;
    Fd file_;
    Sha256 hash_;
    std::uint64_t size_ = 0;
    std::optional<Digest> digest_;
};

// A blob read front to back, and checked against its digest at its end: ErrorKind::corrupt.
class BlobReader : public Reader {
public:
    BlobReader(Fd file, std::uint64_t size, Digest digest)
        : file_(std::move(file)), size_(size), digest_(std::move(digest)) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override;
    std::uint64_t size() const { return size_; }

private:
    Fd file_;
    std::uint64_t size_;
    Digest digest_;
    Sha256 hash_;
    bool verified_ = false;
};

// Thread-safe: its state is the file system.
class ContentStore {
public:
    // Makes the folders, and removes what a crash left half-written.
    static Result<ContentStore> open(const std::filesystem::path& folder);

    const std::filesystem::path& folder() const { return folder_; }
    bool has(const Digest& digest) const;
    std::filesystem::path path_of(const Digest& digest) const;
    // Bytes; 0 for what is not there.
    std::uint64_t size(const Digest& digest) const;

    Result<std::unique_ptr<BlobWriter>> ingest() const;
    // The two steps in one, for small blobs.
    Result<Digest> put(std::string_view bytes) const;

    // A small blob, checked against its digest once more: ErrorKind::corrupt names it.
    Result<std::string> read(const Digest& digest, std::size_t limit) const;
    Result<Fd> open_blob(const Digest& digest) const;
    // ErrorKind::not_found says what to do.
    Result<std::unique_ptr<BlobReader>> reader(const Digest& digest) const;
    // No error when it is not there.
    Result<void> remove(const Digest& digest) const;
    Result<std::vector<Digest>> list() const;
    // What is neither a blob nor, while nothing comes in, of any use.
    Result<std::vector<std::filesystem::path>> strays() const;

private:
    explicit ContentStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

    std::filesystem::path folder_;
};

}  // namespace hako::oci
