// Guest kernels: hako's own part of the API, below /hako/v1.
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Json kernel_json(const engine::Kernel& kernel) {
    return {{"Name", kernel.name},
            {"Version", kernel.version},
            {"Default", kernel.is_default},
            {"Builtin", kernel.is_builtin}};
}

Result<void> list_kernels(const Services& services, Request&, Response& response) {
    HAKO_TRY(const auto kernels, services.system.kernels());
    Json answer = Json::array();
    for (const auto& kernel : kernels) answer.push_back(kernel_json(kernel));
    return response.send_json(200, answer);
}

Result<void> import_kernel(const Services& services, Request& request, Response& response) {
    const std::string name = request.query.value_or("name", "");
    if (name.empty()) return fail(ErrorKind::invalid, "name is missing: name the kernel");
    HAKO_TRY(const auto kernel, services.system.import_kernel(name, *request.body));
    return response.send_json(201, kernel_json(kernel));
}

Result<void> set_default(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.system.set_default_kernel(request.parameter("name")));
    return response.send_empty(204);
}

Result<void> remove_kernel(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(services.system.remove_kernel(request.parameter("name")));
    return response.send_empty(204);
}

}  // namespace

void add_kernel_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/hako/v1/kernels", list_kernels);
    routes.add("POST", "/hako/v1/kernels", import_kernel);
    routes.add("POST", "/hako/v1/kernels/{name}/default", set_default);
    routes.add("DELETE", "/hako/v1/kernels/{name}", remove_kernel);
}

}  // namespace hako::dockerapi
