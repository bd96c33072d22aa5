#include "dockerapi/session.h"

#include <array>

#include "base/thread.h"

namespace hako::dockerapi {
namespace {

// Client to process, until either ends. True when the client typed the detach keys.
bool pump_input(http::Hijacked& client, engine::InputStream& input,
                std::optional<DetachKeys>& detach_keys, const std::stop_token& stop) {
    std::array<std::byte, 32768> piece;
    while (true) {
        const auto count = client.read(piece);
        if (!count || *count == 0 || stop.stop_requested()) break;
        const auto data = std::span(piece).first(*count);
        if (!detach_keys) {
            if (!input.write(data, stop)) break;
            continue;
        }
        const auto fed = detach_keys->feed(as_text(data));
        if (!fed.pass.empty() && !input.write(as_bytes(fed.pass), stop)) break;
        if (fed.detached) return true;
    }
    (void)input.close(stop);
    return false;
}

}  // namespace

Result<void> run_session(http::Hijacked& client, engine::Session session, SessionOptions options) {
    std::stop_source ended;
    const std::stop_callback forward(client.gone(), [&ended] { ended.request_stop(); });
    std::jthread typing;
    if (session.input) {
        typing = start_thread("attach-input", [&](const std::stop_token&) {
            if (!pump_input(client, *session.input, options.detach_keys, ended.get_token())) return;
            if (session.on_detach) session.on_detach();
            ended.request_stop();
        });
    }
    OutputWriter writer(client, options.output);
    auto result =
        session.output ? copy_output(*session.output, writer, ended.get_token()) : Result<void>();
    if (!session.output && typing.joinable()) typing.join();
    ended.request_stop();
    client.stop_reading();
    if (typing.joinable()) typing.join();
    // The client's end, by its keys or by leaving, is no failure.
    if (!result && result.error().kind() == ErrorKind::cancelled) return {};
    return result;
}

}  // namespace hako::dockerapi
