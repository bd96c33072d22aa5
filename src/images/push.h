// Pushing: blobs that the registry has not, then the manifests that name them.
#pragma once

#include <stop_token>

#include "images/image.h"
#include "images/stores.h"
#include "oci/reference.h"

namespace hako::images {

// See ImageStore::push.
Result<void> push_image(Stores& stores, const oci::Reference& reference, const PushOptions& options,
                        Reporter& reporter, std::stop_token stop);

}  // namespace hako::images
