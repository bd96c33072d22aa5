// hako run and hako create
#include <algorithm>
#include <filesystem>

#include "base/fd.h"
#include "cli/attachment.h"
#include "cli/commands/commands.h"
#include "cli/creation.h"
#include "cli/flags/container_flags.h"
#include "cli/pull.h"
#include "cli/run_trace.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace hako::cli {
namespace {

constexpr int kDaemonError = 125;

struct RunOptions {
    ContainerFlags container;
    bool detach = false;
    bool signal_proxy = true;
    std::string detach_keys = std::string(kDefaultDetachKeys);
    TraceOptions trace;
};

bool mentions(const std::vector<std::string>& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
}

// Which streams a container that runs in the foreground is joined with.
AttachSettings attach_settings(const RunOptions& options) {
    const auto& flags = options.container;
    AttachSettings settings{.tty = flags.tty,
                            .input = flags.interactive,
                            .signal_proxy = options.signal_proxy,
                            .detach_keys = options.detach_keys};
    if (!flags.attach.empty()) {
        settings.input = mentions(flags.attach, "stdin");
        settings.output = mentions(flags.attach, "stdout");
        settings.errors = mentions(flags.attach, "stderr");
    }
    return settings;
}

Result<int> run_detached(Session& session, const Api& api, const std::string& id, Trace& trace) {
    const auto timer = trace.time("start");
    HAKO_CHECK(start_container(api, id));
    session.io.print_line(id);
    return 0;
}

Result<int> run_attached(Session& session, const Api& api, const std::string& id,
                         const RunOptions& options, Trace& trace) {
    auto timer = std::make_optional<Trace::Timer>(trace, "attach");
    HAKO_TRY(auto attachment, Attachment::open(api, id, attach_settings(options)));
    HAKO_TRY(auto wait,
             ExitWait::begin(api, id, options.container.remove ? "removed" : "next-exit"));
    timer.emplace(trace, "start");
    HAKO_CHECK(start_container(api, id));
    const WallTime started = now();
    timer.emplace(trace, "wait for the output's end");
    HAKO_TRY(const auto end, attachment.converse(session.io));
    if (end.first_output) trace.add("wait for the first byte", started, *end.first_output);
    timer.emplace(trace, "wait for the container's end");
    return status_after(end, wait);
}

Result<int> run(Session& session, RunOptions& options, const std::vector<std::string>& arguments) {
    RunTrace trace;
    auto& flags = options.container;
    if (options.detach && !flags.attach.empty())
        return fail(ErrorKind::invalid,
                    "conflicting options: cannot specify both --attach and --detach");
    const auto settings = attach_settings(options);
    if (!options.detach) HAKO_CHECK(check_terminal(session.io, flags.tty, settings.input));
    HAKO_CHECK(parse_detach_keys(options.detach_keys));
    HAKO_TRY(auto body, flags.body(arguments));
    body["AttachStdin"] = !options.detach && settings.input;
    body["AttachStdout"] = !options.detach && settings.output;
    body["AttachStderr"] = !options.detach && settings.errors;
    body["StdinOnce"] = !options.detach && flags.interactive;
    if (const auto size = window_size(session.io.out); flags.tty && size)
        body["HostConfig"]["ConsoleSize"] = {size->rows, size->columns};
    // Told before the container runs that it cannot be written.
    if (!options.trace.file.empty()) HAKO_CHECK(write_file(options.trace.file, ""));
    auto timer = std::make_optional<Trace::Timer>(trace.spans(), "connect");
    HAKO_TRY(const auto* api, session.api());
    timer.emplace(trace.spans(), "create");
    HAKO_TRY(const auto id, create_container(session, *api, flags, body));
    timer.reset();
    HAKO_TRY(const int status, options.detach
                                   ? run_detached(session, *api, id, trace.spans())
                                   : run_attached(session, *api, id, options, trace.spans()));
    HAKO_CHECK(trace.report(session, *api, id, options.trace));
    return status;
}

constexpr std::string_view kUsage = "IMAGE [COMMAND] [ARG...]";

}  // namespace

Command run_command() {
    auto options = std::make_shared<RunOptions>();
    Command command("run", "Create and run a new container from an image");
    options->container.declare(command);
    command.flag("-d,--detach", options->detach,
                 "Run container in background and print container ID");
    command.flag("--sig-proxy", options->signal_proxy,
                 "Proxy received signals to the process (default true)");
    command.option("--detach-keys", options->detach_keys,
                   "Override the key sequence for detaching a container");
    command.flag("--trace", options->trace.print,
                 "Print where the time went, from the start of hako to its end");
    command.option("--trace-file", options->trace.file,
                   "Write where the time went to a file, as OpenTelemetry's JSON");
    command.arguments(kUsage, 1, kUnlimited, Completes::images)
        .stop_at_first_argument()
        .failing_with(kDaemonError);
    command.action([options](Session& session, const auto& arguments) {
        return run(session, *options, arguments);
    });
    return command;
}

Command create_command() {
    auto flags = std::make_shared<ContainerFlags>();
    Command command("create", "Create a new container");
    flags->declare(command);
    command.arguments(kUsage, 1, kUnlimited, Completes::images).stop_at_first_argument();
    command.action([flags](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(auto body, flags->body(arguments));
        body["AttachStdin"] = flags->interactive;
        body["AttachStdout"] = true;
        body["AttachStderr"] = true;
        body["StdinOnce"] = flags->interactive;
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto id, create_container(session, *api, *flags, body));
        session.io.print_line(id);
        return 0;
    });
    return command;
}

}  // namespace hako::cli
