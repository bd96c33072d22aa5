// Importing: a tar of a root file system becomes an image of one layer.
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "images/image.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::import. Returns the image's id.
Result<oci::Digest> import_image(Stores& stores, Reader& tar, const ImportOptions& options);

}  // namespace hako::images
