// Volumes and mounts as the API shows them.
#pragma once

#include "base/json.h"
#include "engine/types.h"
#include "engine/volume_details.h"

namespace hako::dockerapi {

Json volume_details(const engine::VolumeDetails& details);
// Mounts of a container's details and of its line in a list.
Json mount_points(const engine::Container& container);

}  // namespace hako::dockerapi
