// hako system: our own daemon
#include <fcntl.h>

#include <array>
#include <thread>

#include "base/fd.h"
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

constexpr int kNotRunning = 3;  // as systemctl status and the LSB init scripts have it

// --root and --run.
struct Folders {
    std::optional<std::string> root, run;

    void declare(Command& command) {
        command.option("--root", root, "Where the daemon keeps images and containers")
            .completes(Completes::files);
        command.option("--run", run, "Where the daemon keeps its socket and its log")
            .completes(Completes::files);
    }
    void apply(Session& session) const {
        if (root) session.paths.root = *root;
        if (!run) return;
        session.paths.run = *run;
        // Who names the folder means the daemon there, whatever the environment says.
        session.host_flags = {http::Endpoint::unix_socket(session.paths.socket()).to_string()};
    }
};

// A subcommand with --root and --run.
Command daemon_command(std::string name, std::string_view summary,
                       std::function<Result<int>(Session&)> act) {
    auto folders = std::make_shared<Folders>();
    Command command(std::move(name), std::string(summary));
    folders->declare(command);
    command.arguments("", 0, 0);
    command.action([folders, act = std::move(act)](Session& session, const auto&) {
        folders->apply(session);
        return act(session);
    });
    return command;
}

Result<int> start_system(Session& session) {
    if (const auto running = daemon_pid(session.paths)) {
        session.io.print_line(fmt::format("hakod runs already (process {})", *running));
        return 0;
    }
    HAKO_CHECK(start_daemon(session.paths));
    HAKO_TRY(const auto pid, daemon_pid(session.paths));
    session.io.print_line(
        fmt::format("hakod runs (process {}) on {}", pid, session.paths.socket().string()));
    return 0;
}

Result<int> stop(Session& session) {
    const auto stopped = stop_daemon(session.paths);
    if (!stopped && stopped.error().kind() == ErrorKind::unavailable) {
        session.io.print_line("hakod does not run");
        return 0;
    }
    if (!stopped) return fail(stopped.error());
    session.io.print_line("hakod ended; containers go on");
    return 0;
}

Result<int> status(Session& session) {
    HAKO_TRY(const auto choice, session.host());
    const auto api = Api::connect(choice.endpoint);  // which starts nothing
    if (!api) {
        session.io.print_line(fmt::format("not running: {}", api.error().message()));
        return kNotRunning;
    }
    HAKO_TRY(const auto version, api->get("/version"));
    HAKO_TRY(const auto info, api->get("/info"));
    HAKO_TRY(const auto number, json_field_or(version, "Version", std::string("unknown")));
    HAKO_TRY(const auto running, json_field_or(info, "ContainersRunning", 0));
    HAKO_TRY(const auto all, json_field_or(info, "Containers", 0));
    HAKO_TRY(const auto images, json_field_or(info, "Images", 0));
    session.io.print_line(fmt::format("running on {}", choice.endpoint.to_string()));
    if (const auto pid = daemon_pid(session.paths); choice.own && pid)
        session.io.print_line(fmt::format("process:    {}", *pid));
    session.io.print_line(fmt::format("version:    {}, API {}", number, api->version()));
    session.io.print_line(fmt::format("containers: {}, {} running", all, running));
    session.io.print_line(fmt::format("images:     {}", images));
    return 0;
}

Result<int> show_log(Session& session, bool follow) {
    auto log = open_file(session.paths.log(), O_RDONLY);
    if (!log)
        return fail(ErrorKind::not_found,
                    "there is no log at {}: when systemd runs the daemon, see journalctl -u hakod",
                    session.paths.log().string());
    constexpr std::chrono::milliseconds kPollInterval{200};
    std::array<std::byte, std::size_t{64} << 10U> buffer;
    while (true) {
        HAKO_TRY(const auto got, read_some(log->get(), buffer));
        if (got > 0) {
            HAKO_CHECK(write_all(session.io.out, std::span(buffer).first(got)));
        } else if (follow) {
            std::this_thread::sleep_for(kPollInterval);
        } else {
            return 0;
        }
    }
}

Command reset_command() {
    auto force = std::make_shared<bool>(false);
    auto command = daemon_command(
        "reset", "Stop the daemon and remove all that it made on this host",
        [force](Session& session) -> Result<int> {
            HAKO_TRY(const auto choice, session.host());
            const auto own = http::Endpoint::unix_socket(session.paths.socket());
            if (choice.endpoint.to_string() != own.to_string())
                return fail(ErrorKind::invalid,
                            "{} is somebody else's daemon: only the own one (--root, --run) can be "
                            "reset",
                            choice.endpoint.to_string());
            if (!*force) {
                HAKO_TRY(const bool confirmed,
                         session.io.confirm(fmt::format(
                             "WARNING! This will remove all containers, images, volumes, networks, "
                             "templates and macOS machines in {}.",
                             session.paths.root.native())));
                if (!confirmed) return fail(ErrorKind::cancelled, "reset has been cancelled");
            }
            HAKO_CHECK(reset_daemon(session.paths));
            session.io.print_line(
                fmt::format("nothing of hako is left in {}", session.paths.root.native()));
            return 0;
        });
    command.flag("-f,--force", *force, "Do not prompt for confirmation");
    return command;
}

}  // namespace

Command system_command() {
    Command group("system", "Manage the hako daemon");
    group.add(daemon_command("start", "Start the daemon", start_system));
    group.add(daemon_command("stop", "Stop the daemon; containers go on", stop));
    group.add(
        daemon_command("status", "Tell whether the daemon runs (exit status 0 or 3)", status));
    group.add(info_command());
    group.add(disk_usage_command());
    group.add(check_command());
    auto follow = std::make_shared<bool>(false);
    auto logs = daemon_command("logs", "Show the log of the daemon",
                               [follow](Session& session) { return show_log(session, *follow); });
    logs.flag("-f,--follow", *follow, "Follow log output");
    group.add(std::move(logs));
    group.add(reset_command());
    return group;
}

}  // namespace hako::cli
