#include "cli/attachment.h"

#include <cstring>

#include "cli/terminal.h"

namespace hako::cli {
namespace {

void post_size(const Api& api, const std::string& path, const WindowSize& size) {
    // A container that has just ended cannot be resized: nothing to tell the user.
    (void)api.post(path, {{"h", std::to_string(size.rows)}, {"w", std::to_string(size.columns)}});
}

constexpr int kSignalBase = 128;

}  // namespace

Result<ExitWait> ExitWait::begin(const Api& api, const std::string& id,
                                 std::string_view condition) {
    http::Query query;
    query.add("condition", condition);
    HAKO_TRY(auto answer, api.stream("POST", fmt::format("/containers/{}/wait", id), query));
    return ExitWait(std::move(answer));
}

Result<int> ExitWait::status() {
    const auto line = answer_->next_line();
    if (!line || !*line)
        return fail(
            ErrorKind::unavailable,
            "the daemon went away before the container ended; the container goes on, attach "
            "to it when the daemon runs again");
    HAKO_TRY(const auto answer, parse_json(**line));
    HAKO_TRY(const auto error, json_field_or(answer, "Error", Json()));
    HAKO_TRY(const auto status, json_field_or(answer, "StatusCode", 0));
    if (error.is_object()) {
        HAKO_TRY(const auto message, json_field_or(error, "Message", std::string()));
        if (!message.empty())
            return fail(ErrorKind::internal, "Error response from daemon: {}", message);
    }
    return status;
}

Result<Attachment> Attachment::open(const Api& api, std::string id,
                                    const AttachSettings& settings) {
    RelayOptions options{.tty = settings.tty,
                         .input = settings.input,
                         .output = settings.output,
                         .errors = settings.errors};
    HAKO_TRY(options.detach_keys, parse_detach_keys(settings.detach_keys));
    http::Query query{{"stream", "1"}};
    if (settings.input) query.add("stdin", "1");
    if (settings.output) query.add("stdout", "1");
    if (settings.errors) query.add("stderr", "1");
    if (settings.detach_keys != kDefaultDetachKeys) query.add("detachKeys", settings.detach_keys);
    if (settings.signal_proxy && !settings.tty) {
        options.on_signal = [&api, id](int signal) {
            (void)api.post(fmt::format("/containers/{}/kill", id),
                           {{"signal", ::sigabbrev_np(signal)}});
        };
    }
    HAKO_TRY(auto signals, SignalWatch::start(settings.signal_proxy || settings.tty));
    HAKO_TRY(auto connection, api.upgrade(fmt::format("/containers/{}/attach", id), query));
    return Attachment(api, std::move(id), std::move(options), std::move(connection),
                      std::move(signals));
}

Result<RelayEnd> Attachment::converse(const Stdio& io) {
    return relay_terminal(io, *api_, fmt::format("/containers/{}/resize", id_),
                          std::move(connection_), signals_, options_);
}

Result<RelayEnd> relay_terminal(const Stdio& io, const Api& api, const std::string& resize_path,
                                http::Upgraded connection, const SignalWatch& signals,
                                RelayOptions options) {
    std::optional<RawMode> raw;
    if (options.tty && io.out_is_terminal()) {
        options.on_resize = [&] {
            if (const auto size = window_size(io.out)) post_size(api, resize_path, *size);
        };
        options.on_resize();
    }
    if (options.tty && options.input && io.in_is_terminal()) {
        HAKO_TRY(auto entered, RawMode::enter(io.in));
        raw.emplace(std::move(entered));
    }
    return relay(io, std::move(connection), signals, options);
}

Result<void> check_terminal(const Stdio& io, bool tty, bool input) {
    if (tty && input && !io.in_is_terminal())
        return fail(ErrorKind::invalid,
                    "the input device is not a TTY: leave -t out to pipe into the container");
    return {};
}

Result<int> status_after(const RelayEnd& end, ExitWait& wait) {
    if (end.kind == RelayEnd::Kind::detached) return 0;
    if (end.kind == RelayEnd::Kind::interrupted) return kSignalBase + end.signal;
    return wait.status();
}

}  // namespace hako::cli
