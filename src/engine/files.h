// Files of containers: what Engine's verbs on them take and give.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "oci/reference.h"
#include "runtime/shim_client.h"

namespace hako::engine {

using guest::Change;    // a path that differs from the image
using guest::PathStat;  // what a path in a container is

struct CopyTarget {
    std::string path;                       // an existing directory
    bool no_overwrite_dir_non_dir = false;  // neither replaces the other
    bool owned_by_user = false;             // by the container's user; else as the tar has it
};

struct CommitOptions {
    std::optional<oci::Reference> name = {};  // none: the image is known by its id
    Json config = Json::object();             // the new image's, as OCI's image-spec has it
    std::string author = {};
    std::string comment = {};
    bool pause = true;  // the container's processes stand still meanwhile
};

}  // namespace hako::engine
