#include "vmm/qemu/qmp.h"

#include <array>

#include "base/fd_message.h"

namespace hako::vmm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxLine = 1U << 20U;  // QEMU's longest answers are far below

}  // namespace

QmpClient::QmpClient(Fd socket) { state_.lock()->socket = std::move(socket); }

Result<Json> QmpClient::read_message(State& state, Deadline deadline) {
    std::array<std::byte, 4096> chunk{};
    for (;;) {
        if (const auto end = state.buffer.find('\n'); end != std::string::npos) {
            const std::string line = state.buffer.substr(0, end);
            state.buffer.erase(0, end + 1);
            if (line.find_first_not_of(" \r") == std::string::npos) continue;
            HAKO_TRY(auto message,
                     with_context(parse_json(line), "QEMU sent no valid QMP message"));
            if (!message.is_object())
                return fail(ErrorKind::corrupt, "QEMU sent a QMP message that is no object");
            return message;
        }
        if (state.buffer.size() > kMaxLine)
            return fail(ErrorKind::too_large, "QEMU sent a QMP message of more than {} bytes",
                        kMaxLine);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        HAKO_TRY(const bool readable,
                 wait_readable(state.socket.get(), std::max(left, std::chrono::milliseconds(0))));
        if (!readable) return fail(ErrorKind::deadline, "QEMU did not answer on QMP in time");
        HAKO_TRY(const auto count, read_some(state.socket.get(), chunk));
        if (count == 0) return fail(ErrorKind::unavailable, "QEMU closed its QMP socket");
        state.buffer += as_text(std::span(chunk).first(count));
    }
}

Result<void> QmpClient::send(State& state, const Json& message, int fd) {
    const std::string line = dump_json(message) + "\n";
    std::string_view rest = line;
    while (!rest.empty()) {
        HAKO_TRY(const auto count, with_context(send_message(state.socket.get(), rest, fd),
                                                "cannot write to QEMU's QMP socket"));
        fd = -1;  // it went with the first byte
        rest.remove_prefix(count);
    }
    return {};
}

bool QmpClient::take_event(State& state, const Json& message) {
    const auto name = json_field<std::string>(message, "event");
    if (!name || !*name) return false;
    if (state.events.size() == kMaxEvents) state.events.pop_front();
    state.events.push_back({**name, message.value("data", Json::object())});
    return true;
}

Result<std::unique_ptr<QmpClient>> QmpClient::connect(Fd socket,
                                                      std::chrono::milliseconds deadline) {
    std::unique_ptr<QmpClient> client(new QmpClient(std::move(socket)));
    const auto end = Clock::now() + deadline;
    {
        auto state = client->state_.lock();
        HAKO_TRY(const auto greeting, read_message(*state, end));
        if (!greeting.contains("QMP"))
            return fail(ErrorKind::corrupt, "QEMU did not greet as QMP servers do");
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    HAKO_TRY([[maybe_unused]] const auto done, client->execute("qmp_capabilities", {}, left));
    return client;
}

std::unique_ptr<QmpClient> QmpClient::go_on(Fd socket) {
    return std::unique_ptr<QmpClient>(new QmpClient(std::move(socket)));
}

Result<Json> QmpClient::execute(std::string_view command, const Json& arguments,
                                std::chrono::milliseconds deadline, int fd) {
    const auto end = Clock::now() + deadline;
    auto state = state_.lock();
    const auto id = state->next_id++;
    Json request{{"execute", command}, {"id", id}};
    if (!arguments.is_null()) request["arguments"] = arguments;
    HAKO_CHECK(send(*state, request, fd));
    for (;;) {
        HAKO_TRY(const auto message,
                 with_context(read_message(*state, end), fmt::format("QMP command {}", command)));
        if (take_event(*state, message)) continue;
        if (message.value("id", Json()) != Json(id)) continue;  // of a command we gave up on
        if (const auto error = message.find("error"); error != message.end()) {
            const auto text = json_field_or<std::string>(*error, "desc", "no reason given");
            return fail(ErrorKind::internal, "QEMU refused {}: {}", command,
                        text ? *text : "no reason given");
        }
        return message.value("return", Json::object());
    }
}

Result<std::deque<QmpEvent>> QmpClient::take_events() {
    auto state = state_.lock();
    for (;;) {
        auto message = read_message(*state, Clock::now());
        if (message) {
            take_event(*state, *message);
            continue;
        }
        if (message.error().kind() == ErrorKind::deadline || !state->events.empty())
            return std::exchange(state->events, {});
        return fail(std::move(message).error());
    }
}

Result<void> QmpClient::quit() {
    HAKO_TRY([[maybe_unused]] const auto done, execute("quit"));
    return {};
}
Result<void> QmpClient::system_powerdown() {
    HAKO_TRY([[maybe_unused]] const auto done, execute("system_powerdown"));
    return {};
}
Result<void> QmpClient::stop() {
    HAKO_TRY([[maybe_unused]] const auto done, execute("stop"));
    return {};
}
Result<void> QmpClient::cont() {
    HAKO_TRY([[maybe_unused]] const auto done, execute("cont"));
    return {};
}

Result<std::string> QmpClient::query_status() {
    HAKO_TRY(const auto answer, execute("query-status"));
    return json_field_or<std::string>(answer, "status", "unknown");
}

}  // namespace hako::vmm
