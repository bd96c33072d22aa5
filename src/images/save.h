// Saving: images with their names as one archive that hako, docker, podman and skopeo load.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "images/image.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::save.
Result<void> save_images(const Stores& stores, const std::vector<std::string>& names,
                         const SaveOptions& options, Writer& out);

}  // namespace hako::images
