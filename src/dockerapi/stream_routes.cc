// Containers: what stays open. logs, attach and wait.
#include <charconv>

#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/session.h"
#include "dockerapi/version.h"
#include "engine/log_options.h"
#include "http/websocket.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

// "all" and whatever is no number mean all lines, as with docker.
std::optional<std::size_t> tail_of(const http::Query& query) {
    const std::string text = query.value_or("tail", "all");
    std::size_t lines = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lines);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return lines;
}

Result<void> logs(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    engine::Engine::Logs options;
    options.follow = flag(query, "follow");
    options.out = flag(query, "stdout");
    options.err = flag(query, "stderr");
    options.tail = tail_of(query);
    if (!options.out && !options.err)
        return fail(ErrorKind::invalid, "Bad parameters: you must choose at least one stream");
    HAKO_TRY(options.since, time_parameter(query, "since"));
    HAKO_TRY(options.until, time_parameter(query, "until"));
    HAKO_TRY(const auto container, services.containers.inspect(request.parameter("id")));
    HAKO_TRY(const auto output, services.containers.logs(container.id, options));
    const bool tty = container.config.tty;
    HAKO_TRY(http::ResponseStream * stream, response.stream(200, stream_type(request, tty)));
    OutputWriter writer(*stream, {.raw = tty,
                                  .out = options.out,
                                  .err = options.err,
                                  .timestamps = flag(query, "timestamps"),
                                  .details = flag(query, "details") ? engine::log_details(container)
                                                                    : std::string()});
    return copy_output(*output, writer, request.gone);
}

// What a client that attaches asks for, and gets.
struct Attachment {
    engine::Session session;
    SessionOptions options;
};
struct Streams {
    bool input, out, err;
};
Result<Attachment> open_attachment(const Services& services, const Request& request,
                                   const Streams& wanted) {
    const http::Query& query = request.query;
    const bool streaming = flag(query, "stream");
    const bool with_logs = flag(query, "logs");
    const bool input = streaming && wanted.input;
    HAKO_TRY(auto keys, DetachKeys::parse(query.value_or("detachKeys", "")));
    HAKO_TRY(const auto container, services.containers.inspect(request.parameter("id")));
    Attachment attachment;
    engine::Session& session = attachment.session;
    session.tty = container.config.tty;
    if (streaming) {
        // The output is always followed: its end is the end of the session.
        HAKO_TRY(session, services.containers.attach(
                              container.id, {.input = input, .output = true, .logs = with_logs}));
    } else if (with_logs) {
        HAKO_TRY(session.output, services.containers.logs(container.id, {}));
    }
    attachment.options.output = {.raw = session.tty, .out = wanted.out, .err = wanted.err};
    if (input && session.tty) attachment.options.detach_keys = std::move(keys);
    return attachment;
}

Streams streams_of(const http::Query& query) {
    return {flag(query, "stdin"), flag(query, "stdout"), flag(query, "stderr")};
}

Result<void> attach(const Services& services, Request& request, Response& response) {
    HAKO_TRY(auto attachment, open_attachment(services, request, streams_of(request.query)));
    HAKO_TRY(http::Hijacked * client,
             response.hijack(stream_type(request, attachment.session.tty)));
    return run_session(*client, std::move(attachment.session), std::move(attachment.options));
}

// The same by WebSocket, never framed: what comes is one stream.
Result<void> attach_websocket(const Services& services, Request& request, Response& response) {
    HAKO_CHECK(http::check_origin(request));
    const bool all = version_of(request) < ApiVersion{1, 42};  // older clients name no streams
    HAKO_TRY(auto attachment,
             open_attachment(services, request,
                             all ? Streams{true, true, true} : streams_of(request.query)));
    attachment.options.output.raw = true;
    HAKO_TRY(const auto client, http::WebSocket::accept(request, response));
    return run_session(*client, std::move(attachment.session), std::move(attachment.options));
}

Result<engine::WaitCondition> wait_condition(const http::Query& query) {
    const std::string text = query.value_or("condition", "");
    if (text.empty() || text == "not-running") return engine::WaitCondition::not_running;
    if (text == "next-exit") return engine::WaitCondition::next_exit;
    if (text == "removed") return engine::WaitCondition::removed;
    return fail(ErrorKind::invalid, "invalid condition: \"{}\"", text);
}

Result<void> wait(const Services& services, Request& request, Response& response) {
    HAKO_TRY(const auto condition, wait_condition(request.query));
    HAKO_TRY(const auto waiting, services.containers.wait(request.parameter("id"), condition));
    // Clients start the container once they have these headers.
    HAKO_TRY(http::ResponseStream * stream, response.stream(200, "application/json"));
    const auto ended = waiting->wait(request.gone);
    if (!ended && ended.error().kind() == ErrorKind::cancelled) return fail(ended.error());
    Json answer = {{"StatusCode", ended ? ended->exit_code : 125}};
    const std::string error = ended ? ended->error : ended.error().message();
    if (!error.empty()) answer["Error"] = {{"Message", error}};
    return stream->write(dump_json(answer) + "\n");
}

}  // namespace

void add_stream_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/containers/{id}/logs", logs);
    routes.add("POST", "/containers/{id}/attach", attach);
    routes.add("GET", "/containers/{id}/attach/ws", attach_websocket);
    routes.add("POST", "/containers/{id}/wait", wait);
}

}  // namespace hako::dockerapi
