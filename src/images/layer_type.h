// The media type of a layer whose source declared none.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/content_store.h"

namespace hako::images {

// Told by its first bytes: tar, tar+gzip or tar+zstd.
Result<std::string> layer_type(const oci::ContentStore& content, const oci::Digest& digest);

}  // namespace hako::images
