// hakod's configuration file, see docs/daemon.md: JSON with the names of Docker's daemon.json.
#pragma once

#include <string_view>

#include "base/result.h"
#include "engine/template_types.h"
#include "images/image.h"

namespace hako::hakod {

struct Configuration {
    oci::RegistryOptions registries = {};
    images::LayerLimits layers = {};
    engine::TemplateOptions templates = {};
    bool live_restore = true;  // containers go on when the daemon ends
};

// ErrorKind::invalid names the key that is unknown or holds what it must not.
Result<Configuration> parse_config(std::string_view text);

}  // namespace hako::hakod
