// Checking credentials, as `docker login` asks for it.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "oci/registry_options.h"

namespace hako::oci {

// Whether auth.server (its domain; empty: Docker Hub) takes the credentials. Returns the identity
// token that stands for them from now on, or nothing where the registry gives none.
// ErrorKind::unauthorized when it refuses them.
Result<std::string> log_in(const RegistryAuth& auth, const RegistryOptions& options,
                           std::stop_token stop);

}  // namespace hako::oci
