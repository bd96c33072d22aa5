// Further processes in a running container.
#include "dockerapi/container_json.h"
#include "dockerapi/container_request.h"
#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/session.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> create_exec(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request));
    HAKO_TRY(const auto config, parse_exec(body));
    HAKO_CHECK(DetachKeys::parse(config.detach_keys));
    HAKO_TRY(const auto id, services.execs.create(request.parameter("id"), config));
    return response.send_json(201, {{"Id", id}});
}

struct StartBody {
    engine::ExecStart options;
    bool tty = false;
};
Result<StartBody> parse_start(const Json& body) {
    StartBody start;
    HAKO_CHECK(read_field(body, "Detach", start.options.detach));
    HAKO_CHECK(read_field(body, "Tty", start.tty));
    std::vector<std::uint32_t> size;
    HAKO_CHECK(read_field(body, "ConsoleSize", size));
    if (!size.empty() && size.size() != 2)
        return fail(ErrorKind::invalid, "field ConsoleSize must be [height, width]");
    if (size.size() == 2 && size[0] != 0 && size[1] != 0)
        start.options.size = engine::WindowSize{.columns = size[1], .rows = size[0]};
    return start;
}

// Clients that show what comes on the stream get this there.
bool belongs_into_the_stream(const engine::Exec& exec, const Error& error) {
    const bool again = exec.running || exec.exit_code;
    return again || error.kind() == ErrorKind::exec_not_found ||
           error.kind() == ErrorKind::exec_failed;
}

Result<void> start_exec(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto body, json_body(request, true));
    HAKO_TRY(const auto wanted, parse_start(body));
    const std::string& id = request.parameter("id");
    HAKO_TRY(const auto exec, services.execs.inspect(id));
    auto session = services.execs.start(id, wanted.options);
    if (wanted.options.detach) {
        if (!session) return fail(std::move(session).error());
        return response.send_empty(200);
    }
    if (!session && !belongs_into_the_stream(exec, session.error()))
        return fail(std::move(session).error());
    HAKO_TRY(http::Hijacked * client, response.hijack(stream_type(request, exec.config.tty)));
    SessionOptions options;
    options.output.raw = exec.config.tty;
    if (!session) {
        // Clients show what comes on the stream, then ask inspect for the exit code: 126 or 127.
        OutputWriter writer(*client, options.output);
        return writer.write({.data = session.error().message() + "\r\n"});
    }
    if (exec.config.tty && exec.config.attach_stdin) {
        HAKO_TRY(options.detach_keys, DetachKeys::parse(exec.config.detach_keys));
    }
    return run_session(*client, *std::move(session), std::move(options));
}

Result<void> resize_exec(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto size, window_size(request.query));
    HAKO_CHECK(services.execs.resize(request.parameter("id"), size));
    return response.send_empty(200);
}

}  // namespace

void add_exec_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("POST", "/containers/{id}/exec", create_exec);
    routes.add("POST", "/exec/{id}/start", start_exec);
    routes.add("POST", "/exec/{id}/resize", resize_exec);
    routes.add("GET", "/exec/{id}/json",
               [](const Services& s, Request& request, Response& response) -> Result<void> {
                   HAKO_TRY(const auto exec, s.execs.inspect(request.parameter("id")));
                   return response.send_json(200, exec_details(exec));
               });
}

}  // namespace hako::dockerapi
