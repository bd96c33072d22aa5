// An image archive (tar: plain, gzip or zstd) taken apart: its members, each a blob on its way into
// the content store. The archive is untrusted. Member names are keys in a map and nothing else: no
// file is ever called after them, and links are followed in the map only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/stream.h"
#include "images/image.h"
#include "oci/content_store.h"
#include "oci/manifest.h"

namespace hako::images {

struct ArchiveLimits {
    std::size_t max_members = 100'000;
    std::uint64_t max_bytes = std::uint64_t{256} << 30U;  // of all members together
    // Against bombs and full disks, as in a layer.
    LayerLimits layer = {};
};

// Used by one thread. Members that are not kept vanish with it.
class Archive {
public:
    // Reads the whole archive. ErrorKind::invalid when it is no archive or is cut short, too_large
    // over the limits, exhausted when the disk is full; the reader's own errors are passed on.
    static Result<Archive> read(Reader& source, const oci::ContentStore& content,
                                const ArchiveLimits& limits = {});

    bool has(std::string_view name) const { return resolve(name).has_value(); }
    // ErrorKind::invalid names a member that is missing.
    Result<Json> json(std::string_view name, std::size_t limit);
    // Moves a member into the content store; may be asked again. With a digest the member must have
    // it: ErrorKind::corrupt.
    Result<oci::Descriptor> keep(std::string_view name,
                                 const std::optional<oci::Digest>& expected = {});

private:
    struct Member {
        std::unique_ptr<oci::BlobWriter> blob;
        oci::Digest digest;
        bool kept = false;
    };
    explicit Archive(const oci::ContentStore& content) : content_(content) {}
    std::optional<std::string> resolve(std::string_view name) const;
    Result<Member*> find(std::string_view name);

    friend class ArchiveReader;
    oci::ContentStore content_;
    std::map<std::string, Member, std::less<>> members_;
    std::map<std::string, std::string, std::less<>> links_;  // name -> name
};

}  // namespace hako::images
