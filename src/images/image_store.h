// The images of a daemon: names, configurations, layers unpacked once, and the merged view of each
// image that a VM gets as its read-only root disk.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/result.h"
#include "base/stream.h"
#include "images/image.h"
#include "oci/reference.h"
#include "store/database.h"

namespace hako::images {

// Thread-safe. Layers and blobs that no image needs are removed as soon as no pull or load is
// going on, and again when the store is opened.
class ImageStore {
public:
    static Result<std::unique_ptr<ImageStore>> open(const Layout& layout, store::Database& database,
                                                    const LayerLimits& limits = {});
    ~ImageStore();
    ImageStore(const ImageStore&) = delete;
    ImageStore& operator=(const ImageStore&) = delete;

    // "name", "name:tag", "name@digest", an id or the unique beginning of one; a name wins.
    // ErrorKind::not_found: "No such image: name:tag".
    // Of a name with images for several platforms: the one for that platform, else the host's.
    Result<Image> find(std::string_view name_or_id_prefix,
                       const std::optional<oci::Platform>& platform = {}) const;
    // Newest first.
    Result<std::vector<Image>> list() const;

    // Downloads what is not there yet. Two pulls of one layer share one download. Returns the one
    // that find() would.
    Result<Image> pull(const oci::Reference& reference, const PullOptions& options,
                       const ProgressSink& progress, std::stop_token stop);
    // A `docker save` archive or an OCI layout, as tar: plain, gzip or zstd. Of an image for
    // several platforms: the best for the one that is named, else all that the archive holds.
    // Returns what was loaded: "name:tag", or the id of an image without a name.
    Result<std::vector<std::string>> load(Reader& archive,
                                          const std::optional<oci::Platform>& platform,
                                          const ProgressSink& progress);

    // Writes a tar: an OCI layout, with Docker's manifest.json. Names and ids as in find(); of a
    // name for several platforms all, unless one is asked for. Nothing is written before it is
    // known that all of it is there.
    Result<void> save(const std::vector<std::string>& names, const SaveOptions& options,
                      Writer& out);
    // A tar of a root file system (plain, gzip or zstd) as an image of one layer.
    Result<Image> import(Reader& tar, const ImportOptions& options);

    // An image and one more layer, a tar that write_layer writes, as a new image; its id.
    Result<std::string> commit(const CommitOptions& options,
                               const std::function<Result<void>(Writer&)>& write_layer);

    // Uploads what the registry has not. Reports Docker's lines, and as a result {"Tag", "Digest",
    // "Size"}. ErrorKind::not_found when no image has the name.
    Result<void> push(const oci::Reference& reference, const PushOptions& options,
                      const ProgressSink& progress, std::stop_token stop);

    // Moves the name if another image has it. A name that stands for several platforms gives all.
    Result<void> tag(std::string_view image, const oci::Reference& reference);
    // Takes a name away, and the image with its last name. Docker's rules and sentences; an image
    // that a container needs is never deleted, only untagged (force).
    using UsersOf = std::function<std::vector<ImageUser>(const std::string& id)>;
    Result<Removed> remove(std::string_view name, const RemoveOptions& options,
                           const UsersOf& users_of);

    // Bytes on disk of all that belongs to images.
    std::uint64_t disk_usage() const;
    // Reads every blob, unpacks every layer once more and compares. Repairing removes what is bad,
    // so that the next pull brings it again, and makes anew what can be made.
    Result<CheckReport> check(const CheckOptions& options);

    // Makes the merged view if it is not there. id: "sha256:<hex>".
    Result<Rootfs> rootfs(std::string_view id);

private:
    class Impl;
    explicit ImageStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Loads the archive of hako/hello unless the store has an image of that name.
Result<void> ensure_hello(ImageStore& images, const std::filesystem::path& archive);

}  // namespace hako::images
