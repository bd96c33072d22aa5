// hako start and hako attach
#include "cli/attachment.h"
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct StartOptions {
    bool attach = false, interactive = false;
    std::string detach_keys = std::string(kDefaultDetachKeys);
};

// What a client that joins needs to know of the container.
struct Joined {
    std::string id;
    bool tty = false, open_stdin = false, running = false, paused = false, removes = false;
};

Result<Joined> look_up(const Api& api, const std::string& name) {
    HAKO_TRY(const auto info, api.get(fmt::format("/containers/{}/json", name)));
    HAKO_TRY(const auto config, json_field_or(info, "Config", Json::object()));
    HAKO_TRY(const auto host, json_field_or(info, "HostConfig", Json::object()));
    HAKO_TRY(const auto state, json_field_or(info, "State", Json::object()));
    Joined joined;
    HAKO_TRY(joined.id, json_field_or(info, "Id", name));
    HAKO_TRY(joined.tty, json_field_or(config, "Tty", false));
    HAKO_TRY(joined.open_stdin, json_field_or(config, "OpenStdin", false));
    HAKO_TRY(joined.running, json_field_or(state, "Running", false));
    HAKO_TRY(joined.paused, json_field_or(state, "Paused", false));
    HAKO_TRY(joined.removes, json_field_or(host, "AutoRemove", false));
    return joined;
}

Result<int> start_attached(Session& session, const StartOptions& options, const std::string& name) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto container, look_up(*api, name));
    const bool input = options.interactive && container.open_stdin;
    HAKO_CHECK(check_terminal(session.io, container.tty, input));
    HAKO_TRY(auto attachment,
             Attachment::open(
                 *api, container.id,
                 {.tty = container.tty, .input = input, .detach_keys = options.detach_keys}));
    HAKO_TRY(auto wait,
             ExitWait::begin(*api, container.id, container.removes ? "removed" : "next-exit"));
    HAKO_CHECK(api->post(fmt::format("/containers/{}/start", container.id)));
    HAKO_TRY(const auto end, attachment.converse(session.io));
    return status_after(end, wait);
}

struct AttachOptions {
    bool no_stdin = false, signal_proxy = true;
    std::string detach_keys = std::string(kDefaultDetachKeys);
};

Result<int> attach(Session& session, const AttachOptions& options, const std::string& name) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto container, look_up(*api, name));
    if (!container.running)
        return fail(ErrorKind::conflict,
                    "cannot attach to a stopped container, start it first: hako start {}", name);
    if (container.paused)
        return fail(ErrorKind::conflict, "cannot attach to a paused container, unpause it first");
    const bool input = !options.no_stdin && container.open_stdin;
    HAKO_CHECK(check_terminal(session.io, container.tty, input));
    HAKO_TRY(auto wait,
             ExitWait::begin(*api, container.id, container.removes ? "removed" : "not-running"));
    HAKO_TRY(auto attachment, Attachment::open(*api, container.id,
                                               {.tty = container.tty,
                                                .input = input,
                                                .signal_proxy = options.signal_proxy,
                                                .detach_keys = options.detach_keys}));
    HAKO_TRY(const auto end, attachment.converse(session.io));
    return status_after(end, wait);
}

}  // namespace

Command start_command() {
    auto options = std::make_shared<StartOptions>();
    Command command("start", "Start one or more stopped containers");
    command.flag("-a,--attach", options->attach, "Attach STDOUT/STDERR and forward signals");
    command.flag("-i,--interactive", options->interactive, "Attach container's STDIN");
    command.option("--detach-keys", options->detach_keys,
                   "Override the key sequence for detaching a container");
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::containers);
    command.action([options](Session& session, const auto& names) -> Result<int> {
        if (options->attach || options->interactive) {
            if (names.size() > 1)
                return fail(ErrorKind::invalid,
                            "you cannot start and attach multiple containers at once");
            return start_attached(session, *options, names.front());
        }
        return for_each_argument(
            session, names, [](const Api& api, const std::string& name) -> Result<std::string> {
                const auto started = api.post(fmt::format("/containers/{}/start", name));
                if (!started && started.error().kind() != ErrorKind::not_modified)
                    return fail(started.error());
                return name;
            });
    });
    return command;
}

Command attach_command() {
    auto options = std::make_shared<AttachOptions>();
    Command command(
        "attach", "Attach local standard input, output, and error streams to a running container");
    command.flag("--no-stdin", options->no_stdin, "Do not attach STDIN");
    command.flag("--sig-proxy", options->signal_proxy,
                 "Proxy all received signals to the process (default true)");
    command.option("--detach-keys", options->detach_keys,
                   "Override the key sequence for detaching a container");
    command.arguments("CONTAINER", 1, 1, Completes::running_containers);
    command.action([options](Session& session, const auto& names) {
        return attach(session, *options, names.front());
    });
    return command;
}

}  // namespace hako::cli
