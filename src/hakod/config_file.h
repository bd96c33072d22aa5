// hakod's configuration file, see docs/daemon.md: JSON with the names of Docker's daemon.json.
#pragma once

#include <string_view>

#include "base/result.h"
#include "oci/registry_options.h"

namespace hako::hakod {

// ErrorKind::invalid names the key that is unknown or holds what it must not.
Result<oci::RegistryOptions> parse_config(std::string_view text);

}  // namespace hako::hakod
