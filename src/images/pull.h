// Pulling: manifest, configuration, then the layers, unpacked while they arrive.
#pragma once

#include <stop_token>

#include "images/image.h"
#include "images/stores.h"
#include "oci/reference.h"

namespace hako::images {

// See ImageStore::pull.
Result<void> pull_image(Stores& stores, const oci::Reference& reference, const PullOptions& options,
                        Reporter& reporter, std::stop_token stop);

}  // namespace hako::images
