// Untagging and deleting by Docker's rules.
#pragma once

#include <string_view>

#include "images/image_store.h"
#include "images/stores.h"

namespace hako::images {

// See ImageStore::remove.
Result<Removed> remove_image(Stores& stores, std::string_view text, const RemoveOptions& options,
                             const ImageStore::UsersOf& users_of);

}  // namespace hako::images
