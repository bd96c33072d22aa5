// The inside of a container: its mounts, devices and root, as config.json describes them.
// Runs in the container's own, new mount namespace.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// Before the root changes: mounts of the specification, devices, bind mounts of `files` (path
// inside
// -> path of ours). The result is the new root as an O_PATH descriptor.
Result<Fd> build_root(const Json& container, const std::map<std::string, std::string>& files);

// Makes root the root of this mount namespace; nothing of the old one stays reachable.
Result<void> enter_root(const Fd& root, const Json& container);

// After that: host name, sysctls, masked and read-only paths, read-only root.
Result<void> finish_root(const Json& container);

}  // namespace hako::init
