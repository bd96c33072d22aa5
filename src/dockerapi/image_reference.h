// How the API's clients split the name of an image.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/reference.h"

namespace hako::dockerapi {

// "name" and "tag" in two parameters; a digest comes as the tag, too.
inline Result<oci::Reference> reference_of(const std::string& name, const std::string& tag) {
    if (tag.empty()) return oci::Reference::parse(name);
    return oci::Reference::parse(name + (tag.find(':') == std::string::npos ? ":" : "@") + tag);
}

}  // namespace hako::dockerapi
