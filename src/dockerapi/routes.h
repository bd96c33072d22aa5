// The routes, by resource. Each function adds its own to the router.
#pragma once

#include "dockerapi/services.h"
#include "http/router.h"

namespace hako::dockerapi {

void add_system_routes(http::Router& router, const Services& services);
void add_container_routes(http::Router& router, const Services& services);
void add_stream_routes(http::Router& router, const Services& services);  // logs, attach, wait
void add_exec_routes(http::Router& router, const Services& services);
void add_image_routes(http::Router& router, const Services& services);
void add_kernel_routes(http::Router& router, const Services& services);
// Known parts of the API that are not here: answered so that clients understand.
void add_absent_routes(http::Router& router);

}  // namespace hako::dockerapi
