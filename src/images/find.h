// How a user's text becomes an image.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "images/catalog.h"

namespace hako::images {

// All that a text stands for: one image by an id, or by a name those of its platforms.
struct Match {
    std::optional<oci::Reference> name;  // empty when an id matched
    std::vector<NamedImage> images;      // never empty; the host's platform comes first
};
// ErrorKind::invalid for what is neither a name nor an id, not_found "No such image: name:tag".
Result<Match> find_images(const Catalog& catalog, std::string_view text);

// The one of them that fits the platform best. Without a platform: the host's, else the one that
// was tagged last. ErrorKind::not_found says for which platforms there are images.
Result<NamedImage> choose_image(const Match& match, std::string_view text,
                                const std::optional<oci::Platform>& platform);

}  // namespace hako::images
