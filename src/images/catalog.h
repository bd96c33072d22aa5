// What the store knows of images, in SQLite: which there are, what each needs, what they are
// called.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "oci/digest.h"
#include "oci/platform.h"
#include "oci/reference.h"
#include "store/database.h"

namespace hako::images {

struct ImageRecord {
    oci::Digest id;        // of the configuration
    oci::Digest manifest;  // of the manifest it came with, or that we wrote for it
    oci::Platform platform;
    std::uint64_t size = 0;             // bytes of the unpacked layers
    std::vector<oci::Digest> diff_ids;  // lowest first
    std::set<oci::Digest> blobs;        // all that the content store keeps for it
};

// What a name stands for on one platform.
struct NamedImage {
    oci::Digest image;
    oci::Platform platform;
    oci::Digest target;  // the manifest, or the index with it, that a registry knows by the name
    WallTime tagged = now();
};

// Names are kept as (domain/path, tag or digest), see oci::Reference; each has one image for every
// platform that was asked for. Thread-safe.
class Catalog {
public:
    static Result<Catalog> open(store::Database& database);

    // Adds the image, or what it needs beyond what is known; then gives it the names.
    Result<void> add(const ImageRecord& image, const std::vector<oci::Reference>& names,
                     const oci::Digest& target);
    // In place of the image that the name had for the platform.
    Result<void> set_name(const oci::Reference& name, const NamedImage& image);
    // In place of all that the name had.
    Result<void> replace_name(const oci::Reference& name, const std::vector<NamedImage>& images);
    Result<void> remove_name(const oci::Reference& name, const oci::Digest& image);
    Result<void> remove_image(const oci::Digest& id);

    // The one tagged last comes first; none where the name is not known.
    Result<std::vector<NamedImage>> images_of(const oci::Reference& name) const;
    // The ids that begin with the digits; at most two, which is as bad as more.
    Result<std::vector<oci::Digest>> ids_with_prefix(std::string_view hex) const;
    // The newest first.
    Result<std::vector<oci::Digest>> ids() const;
    // ErrorKind::not_found.
    Result<ImageRecord> image(const oci::Digest& id) const;
    Result<std::vector<oci::Reference>> names_of(const oci::Digest& id) const;
    // nullopt for an image without a name.
    Result<std::optional<WallTime>> last_tagged(const oci::Digest& id) const;

    Result<std::set<oci::Digest>> all_blobs() const;
    Result<std::set<oci::Digest>> all_diff_ids() const;

private:
    explicit Catalog(store::Database& database) : database_(&database) {}
    Result<std::vector<oci::Digest>> digests(std::string_view sql,
                                             std::string_view parameter) const;

    store::Database* database_;
};

}  // namespace hako::images
