// A volume as clients see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "volume/volume.h"

namespace hako::engine {

struct VolumeDetails {
    volume::Volume volume;
    std::string mountpoint;  // the folder on the host, or the disk's file
    std::size_t users = 0;   // containers that mount it
    std::optional<std::uint64_t> used_bytes;
};

struct VolumePruneFilter {
    bool all = false;                  // also those with a name
    std::vector<std::string> labels;   // all of "key" or "key=value"
    std::vector<std::string> without;  // none of them
};

}  // namespace hako::engine
