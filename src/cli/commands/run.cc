// hako run and hako create
#include <algorithm>
#include <filesystem>

#include "cli/attachment.h"
#include "cli/commands/commands.h"
#include "cli/flags/container_flags.h"
#include "cli/pull.h"
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

Result<void> write_id_file(const std::string& path, const std::string& id) {
    if (path.empty()) return {};
    return write_file(path, id);
}

// Creates the container, pulling its image when it is missing; its id.
Result<std::string> create_container(Session& session, const Api& api, const ContainerFlags& flags,
                                     const Json& body) {
    if (!flags.cidfile.empty() && std::filesystem::exists(flags.cidfile))
        return fail(ErrorKind::conflict,
                    "container ID file found, make sure the other container isn't running or "
                    "delete {}",
                    flags.cidfile);
    const auto image = body["Image"].get<std::string>();
    // Docker's words for the progress go to stderr: stdout is the container's.
    const PullRequest pull{.image = image,
                           .platform = flags.platform,
                           .quiet = flags.quiet,
                           .progress = session.io.err};
    if (flags.pull == "always") HAKO_CHECK(pull_image(session, pull));
    http::Query query;
    if (!flags.name.empty()) query.add("name", flags.name);
    if (!flags.platform.empty()) query.add("platform", flags.platform);
    auto created = api.post("/containers/create", query, body);
    const auto says = [&](const char* words) {
        return created.error().message().find(words) != std::string::npos;
    };
    const bool missing = !created && created.error().kind() == ErrorKind::not_found &&
                         (says("No such image") || says("does not provide"));
    if (missing && flags.pull == "missing") {
        if (!flags.quiet)
            session.io.complain(fmt::format("Unable to find image '{}' locally", image));
        HAKO_CHECK(pull_image(session, pull));
        created = api.post("/containers/create", query, body);
    }
    if (!created) return fail(std::move(created.error()));
    HAKO_TRY(const auto warnings, json_field_or(*created, "Warnings", std::vector<std::string>()));
    for (const auto& warning : warnings) session.io.complain("WARNING: " + warning);
    HAKO_TRY(auto id, json_field_or(*created, "Id", std::string()));
    HAKO_CHECK(write_id_file(flags.cidfile, id));
    return id;
}

// What the daemon says of a process that cannot run decides the exit status, as it does for docker.
Error start_error(Error error) {
    const auto says = [&](std::string_view words) {
        return error.message().find(words) != std::string::npos;
    };
    if (says("executable file not found") || says("no such file or directory"))
        return {ErrorKind::exec_not_found, error.message()};
    if (says("permission denied") || says("is a directory"))
        return {ErrorKind::exec_failed, error.message()};
    return error;
}

Result<void> start_container(const Api& api, const std::string& id) {
    auto started = api.post(fmt::format("/containers/{}/start", id));
    if (!started) return fail(start_error(std::move(started.error())));
    return {};
}

Result<int> run_detached(Session& session, const Api& api, const std::string& id) {
    HAKO_CHECK(start_container(api, id));
    session.io.print_line(id);
    return 0;
}

Result<int> run_attached(Session& session, const Api& api, const std::string& id,
                         const RunOptions& options) {
    HAKO_TRY(auto attachment, Attachment::open(api, id, attach_settings(options)));
    HAKO_TRY(auto wait,
             ExitWait::begin(api, id, options.container.remove ? "removed" : "next-exit"));
    HAKO_CHECK(start_container(api, id));
    HAKO_TRY(const auto end, attachment.converse(session.io));
    return status_after(end, wait);
}

Result<int> run(Session& session, RunOptions& options, const std::vector<std::string>& arguments) {
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
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto id, create_container(session, *api, flags, body));
    return options.detach ? run_detached(session, *api, id)
                          : run_attached(session, *api, id, options);
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
