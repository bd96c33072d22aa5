// What a container used up, at one moment.
#pragma once

#include <optional>
#include <string>

#include "base/units.h"
#include "runtime/shim_client.h"

namespace hako::engine {

struct StatisticsSample {
    std::string id;
    std::string name;
    WallTime read{};
    std::optional<guest::Statistics> figures;
};

}  // namespace hako::engine
