// Loading of image archives: `docker save` (old and new form, also podman's and skopeo's) and OCI
// layouts (image-spec 1.1, image-layout.md).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "images/archive.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::load.
Result<std::vector<std::string>> load_archive(Stores& stores, Reader& source,
                                              const std::optional<oci::Platform>& platform,
                                              Reporter& reporter);

// An image out of an archive: manifest, configuration and layers are in the content store.
struct ArchivedImage {
    oci::Descriptor manifest;
    oci::Manifest content;
    std::vector<oci::Reference> names;
    std::optional<oci::Digest> index = {};  // that led to the manifest
};
// manifest.json and what it names. Such an archive has no manifest, so one is written.
Result<std::vector<ArchivedImage>> read_docker_archive(Archive& archive,
                                                       const oci::ContentStore& content);
// index.json and what it names. Of an index in it: the best match for the platform, or all images
// that the archive holds.
Result<std::vector<ArchivedImage>> read_oci_layout(Archive& archive,
                                                   const oci::ContentStore& content,
                                                   const std::optional<oci::Platform>& platform);

}  // namespace hako::images
