// hako's own: the virtual machine behind a container, and its serial console.
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

// Of a macOS machine; the body is a JSON object.
Result<void> control(const Services& services, Request& request, Response& response) {
    constexpr std::size_t kMostArguments = std::size_t{256} << 10U;
    HAKO_TRY(auto arguments, request.read_body(kMostArguments));
    if (arguments.empty()) arguments = "{}";
    HAKO_TRY(const auto json, with_context(parse_json(arguments), "the body"));
    if (!json.is_object()) return fail(ErrorKind::invalid, "the body is no JSON object");
    const auto& verb = request.parameter("verb");
    TextWriter answer;
    HAKO_CHECK(services.containers.control(request.parameter("id"), verb, arguments, answer,
                                           request.gone));
    return response.send(200, verb == "screenshot" ? "image/png" : "application/json", answer.text);
}

}  // namespace

void add_machine_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/hako/v1/containers/{id}/vm", machine);
    routes.add("GET", "/hako/v1/containers/{id}/console", console);
    routes.add("POST", "/hako/v1/containers/{id}/machine/{verb}", control);
}

}  // namespace hako::dockerapi
