// How clients say what is mounted: Binds, Mounts, Tmpfs' kin, VolumesFrom, VolumeDriver.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/types.h"

namespace hako::dockerapi {

// Fills the parts of config that are about mounts. Adds to warnings.
Result<void> read_mounts(const Json& host, engine::HostConfig& config,
                         std::vector<std::string>& warnings);

}  // namespace hako::dockerapi
