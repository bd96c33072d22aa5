// The routes, by resource. Each function adds its own to the router.
#pragma once

#include "dockerapi/services.h"
#include "http/router.h"

namespace hako::dockerapi {

// Adds handlers that take the services first.
class Routes {
public:
    using Handler = Result<void> (*)(const Services&, http::Request&, http::Response&);

    Routes(http::Router& router, const Services& services) : router_(router), services_(services) {}
    void add(std::string_view method, std::string_view pattern, Handler handler) {
        router_.add(
            method, pattern,
            [services = services_, handler](http::Request& request, http::Response& response) {
                return handler(services, request, response);
            });
    }

private:
    http::Router& router_;
    const Services& services_;
};

void add_stats_routes(http::Router& router, const Services& services);
void add_system_routes(http::Router& router, const Services& services);
void add_container_routes(http::Router& router, const Services& services);
void add_stream_routes(http::Router& router, const Services& services);  // logs, attach, wait
void add_file_routes(http::Router& router, const Services& services);    // archive, commit ...
void add_exec_routes(http::Router& router, const Services& services);
void add_change_routes(http::Router& router, const Services& services);  // pause, update, prune
void add_event_routes(http::Router& router, const Services& services);
void add_image_routes(http::Router& router, const Services& services);
void add_image_transfer_routes(http::Router& router, const Services& services);
void add_network_routes(http::Router& router, const Services& services);
void add_usage_routes(http::Router& router, const Services& services);
void add_registry_routes(http::Router& router, const Services& services);
void add_rootfs_routes(http::Router& router, const Services& services);
void add_machine_routes(http::Router& router, const Services& services);
void add_kernel_routes(http::Router& router, const Services& services);
void add_template_routes(http::Router& router, const Services& services);
void add_volume_routes(http::Router& router, const Services& services);
// Known parts of the API that are not here: answered so that clients understand.
void add_absent_routes(http::Router& router);

}  // namespace hako::dockerapi
