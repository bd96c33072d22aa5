// Committing: an image and one more layer become an image.
#pragma once

#include <functional>

#include "base/result.h"
#include "base/stream.h"
#include "images/image.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::commit. Returns the image's id.
Result<oci::Digest> commit_image(Stores& stores, const CommitOptions& options,
                                 const std::function<Result<void>(Writer&)>& write_layer);

}  // namespace hako::images
