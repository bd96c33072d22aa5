// How a user's text becomes an image.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "images/catalog.h"

namespace hako::images {

struct Match {
    oci::Digest id;
    std::optional<oci::Reference> name;  // the name that matched; empty when an id did
};
// ErrorKind::invalid for what is neither a name nor an id, not_found "No such image: name:tag".
Result<Match> find_image(const Catalog& catalog, std::string_view text);

}  // namespace hako::images
