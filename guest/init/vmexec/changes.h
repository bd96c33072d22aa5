// What a container changed: its overlay's upper directory against the image below.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hako::init {

struct Overlay {
    std::string upper;
    std::string lower;
    // Paths inside that are no changes of the container's own: where something is mounted. A folder
    // that was only made to hold such ones is hidden, too.
    std::vector<std::string> hidden;
};

// Records that end with NUL: a letter (A added, C changed, D deleted) and an absolute path.
Result<void> list_changes(const Overlay& overlay, int fd);

// A tar of the changes as a layer (OCI image-spec, layer.md: with whiteouts).
Result<void> create_layer(const Overlay& overlay, int fd);

}  // namespace hako::init
