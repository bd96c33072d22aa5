// Containers: what stays open. logs, attach and wait.
#include <charconv>

#include "dockerapi/parameters.h"
#include "dockerapi/routes.h"
#include "dockerapi/session.h"
#include "engine/log_options.h"

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

Result<void> attach(const Services& services, Request& request, Response& response) {
    const http::Query& query = request.query;
    const bool streaming = flag(query, "stream");
    const bool with_logs = flag(query, "logs");
    const bool input = streaming && flag(query, "stdin");
    HAKO_TRY(auto keys, DetachKeys::parse(query.value_or("detachKeys", "")));
    HAKO_TRY(const auto container, services.containers.inspect(request.parameter("id")));
    engine::Session session;
    session.tty = container.config.tty;
    if (streaming) {
        // The output is always followed: its end is the end of the session.
        HAKO_TRY(session, services.containers.attach(
                              container.id, {.input = input, .output = true, .logs = with_logs}));
    } else if (with_logs) {
        HAKO_TRY(session.output, services.containers.logs(container.id, {}));
    }
    HAKO_TRY(http::Hijacked * client, response.hijack(stream_type(request, session.tty)));
    SessionOptions options;
    options.output = {
        .raw = session.tty, .out = flag(query, "stdout"), .err = flag(query, "stderr")};
    if (input && session.tty) options.detach_keys = std::move(keys);
    return run_session(*client, std::move(session), std::move(options));
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
    routes.add("POST", "/containers/{id}/wait", wait);
}

}  // namespace hako::dockerapi
