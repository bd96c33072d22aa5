// Images that are made here, not fetched: by import and by commit.
#pragma once

#include <optional>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "images/stores.h"
#include "oci/reference.h"

namespace hako::images {

struct NewLayer {
    oci::Descriptor descriptor;
    oci::Digest diff_id;
};

// Keeps what was written to the blob (a tar: plain, gzip or zstd) and unpacks it.
Result<NewLayer> add_layer(const Stores& stores, oci::BlobWriter& blob);

// Writes configuration and manifest, makes the view, and gives the name. Returns the image's id.
Result<oci::Digest> add_image(Stores& stores, const Json& config,
                              std::vector<oci::Descriptor> layers,
                              const std::optional<oci::Reference>& name);

}  // namespace hako::images
