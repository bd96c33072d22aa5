// What the routes of volumes need of the engine (services.h).
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "engine/volume_details.h"

namespace hako::dockerapi {

class VolumeService {
public:
    virtual ~VolumeService() = default;
    virtual Result<engine::VolumeDetails> create(volume::Volume wanted) = 0;
    virtual Result<engine::VolumeDetails> inspect(std::string_view name) = 0;
    virtual Result<std::vector<engine::VolumeDetails>> list(bool with_usage) = 0;
    virtual Result<void> remove(std::string_view name, bool force) = 0;
    virtual Result<engine::Pruned> prune(const engine::VolumePruneFilter& filter) = 0;
};

}  // namespace hako::dockerapi
