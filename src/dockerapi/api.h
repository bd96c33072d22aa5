// The Docker Engine API, versions 1.24 to 1.50, as far as docs/api.md says.
#pragma once

#include "dockerapi/services.h"
#include "http/router.h"

namespace hako::dockerapi {

// The handler for http::Server: takes the version off the path, sets the headers that clients
// negotiate by, and routes.
http::Handler make_api(const Services& services);

}  // namespace hako::dockerapi
