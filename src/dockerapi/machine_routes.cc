// hako's own: the virtual machine behind a container, its serial console, where its time went.
#include "base/process.h"
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> machine(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto details, services.containers.machine(request.parameter("id")));
    HAKO_TRY(const auto spec, parse_json(details.spec_json));
    const Command command{.argv = details.command};
    return response.send_json(200, {{"Pid", details.pid},
                                    {"Command", details.command},
                                    {"ShellLine", to_shell(command)},
                                    {"Machine", spec},
                                    {"Folder", details.folder}});
}

Result<void> console(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto text, services.containers.console(request.parameter("id")));
    return response.send(200, "text/plain; charset=utf-8", text);
}

Result<void> trace(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto spans, services.containers.trace(request.parameter("id")));
    return response.send_json(200, to_json(spans));
}

}  // namespace

void add_machine_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/hako/v1/containers/{id}/vm", machine);
    routes.add("GET", "/hako/v1/containers/{id}/console", console);
    routes.add("GET", "/hako/v1/traces/{id}", trace);
}

}  // namespace hako::dockerapi
