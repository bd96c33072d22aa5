// Writes a tar of files that are small or blobs of the content store. The same files give the same
// bytes: there are no owners and no times in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/stream.h"
#include "oci/content_store.h"

namespace hako::images {

// Used by one thread. After an error nothing more is written.
class ArchiveWriter {
public:
    explicit ArchiveWriter(Writer& out);
    ~ArchiveWriter();
    ArchiveWriter(const ArchiveWriter&) = delete;
    ArchiveWriter& operator=(const ArchiveWriter&) = delete;

    Result<void> add_folder(const std::string& name);
    Result<void> add_file(const std::string& name, std::string_view content);
    // ErrorKind::corrupt when the blob on disk is not what its digest promises.
    Result<void> add_blob(const std::string& name, const oci::ContentStore& content,
                          const oci::Digest& digest);
    // Writes the end of the archive.
    Result<void> finish();

private:
    class Tar;
    std::unique_ptr<Tar> tar_;
};

}  // namespace hako::images
