#include "dockerapi/api.h"

#include <memory>

#include "dockerapi/routes.h"
#include "dockerapi/version.h"

namespace hako::dockerapi {
namespace {

void set_common_headers(http::Fields& headers) {
    headers.set("Api-Version", kMaxVersion.text());
    headers.set("Docker-Experimental", "false");
    headers.set("Ostype", "linux");
    headers.set("Server", std::string("hako/") + HAKO_VERSION + " (linux)");
}

}  // namespace

http::Handler make_api(const Services& services) {
    const auto router = std::make_shared<http::Router>();
    add_system_routes(*router, services);
    add_stats_routes(*router, services);
    add_container_routes(*router, services);
    add_stream_routes(*router, services);
    add_file_routes(*router, services);
    add_change_routes(*router, services);
    add_event_routes(*router, services);
    add_exec_routes(*router, services);
    add_image_routes(*router, services);
    add_image_transfer_routes(*router, services);
    add_registry_routes(*router, services);
    add_network_routes(*router, services);
    add_usage_routes(*router, services);
    add_kernel_routes(*router, services);
    add_template_routes(*router, services);
    add_volume_routes(*router, services);
    add_machine_routes(*router, services);
    add_rootfs_routes(*router, services);
    add_absent_routes(*router);
    return [router](http::Request& request, http::Response& response) -> Result<void> {
        set_common_headers(response.headers());
        auto versioned = split_version(request.path);
        if (versioned.version) HAKO_CHECK(check_version(*versioned.version));
        request.path = std::move(versioned.path);
        return router->handle(request, response);
    };
}

}  // namespace hako::dockerapi
