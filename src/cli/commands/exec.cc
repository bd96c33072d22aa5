// hako exec
#include "cli/attachment.h"
#include "cli/commands/commands.h"
#include "cli/flags/values.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace hako::cli {
namespace {

constexpr int kSignalBase = 128;

struct ExecOptions {
    bool detach = false, interactive = false, tty = false, privileged = false;
    std::string user, folder;
    std::string detach_keys = std::string(kDefaultDetachKeys);
    std::vector<std::string> environment, environment_files;
};

Result<Json> exec_body(const Stdio& io, const ExecOptions& options,
                       const std::vector<std::string>& arguments) {
    std::vector<std::string> environment;
    for (const auto& path : options.environment_files) {
        HAKO_TRY(const auto entries, read_environment_file(path));
        environment.insert(environment.end(), entries.begin(), entries.end());
    }
    for (const auto& text : options.environment) {
        HAKO_TRY(auto entry, parse_environment(text));
        if (entry) environment.push_back(*std::move(entry));
    }
    Json body = {
        {"AttachStdin", !options.detach && options.interactive},
        {"AttachStdout", !options.detach},
        {"AttachStderr", !options.detach},
        {"Tty", options.tty},
        {"Privileged", options.privileged},
        {"User", options.user},
        {"WorkingDir", options.folder},
        {"Env", environment},
        {"Cmd", std::vector<std::string>(arguments.begin() + 1, arguments.end())},
    };
    if (options.detach_keys != kDefaultDetachKeys) body["DetachKeys"] = options.detach_keys;
    if (const auto size = window_size(io.out); options.tty && size)
        body["ConsoleSize"] = {size->rows, size->columns};
    return body;
}

Result<int> exec(Session& session, const ExecOptions& options,
                 const std::vector<std::string>& arguments) {
    if (!options.detach) HAKO_CHECK(check_terminal(session.io, options.tty, options.interactive));
    HAKO_TRY(const auto keys, parse_detach_keys(options.detach_keys));
    HAKO_TRY(const auto body, exec_body(session.io, options, arguments));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto created,
             api->post(fmt::format("/containers/{}/exec", arguments.front()), {}, body));
    HAKO_TRY(const auto id, json_field_or(created, "Id", std::string()));
    const auto path = fmt::format("/exec/{}", id);
    Json start = {{"Detach", options.detach}, {"Tty", options.tty}};
    if (body.contains("ConsoleSize")) start["ConsoleSize"] = body["ConsoleSize"];
    if (options.detach) {
        HAKO_CHECK(api->post(path + "/start", {}, start));
        return 0;
    }
    // Without a tty a signal ends hako, not what runs in the container: docker hands on none.
    HAKO_TRY(const auto signals, SignalWatch::start(options.tty));
    HAKO_TRY(auto connection, api->upgrade(path + "/start", {}, start));
    HAKO_TRY(
        const auto end,
        relay_terminal(session.io, *api, path + "/resize", std::move(connection), signals,
                       {.tty = options.tty, .input = options.interactive, .detach_keys = keys}));
    if (end.kind == RelayEnd::Kind::detached) return 0;
    if (end.kind == RelayEnd::Kind::interrupted) return kSignalBase + end.signal;
    HAKO_TRY(const auto state, api->get(path + "/json"));
    return json_field_or(state, "ExitCode", 0);
}

}  // namespace

Command exec_command() {
    auto options = std::make_shared<ExecOptions>();
    Command command("exec", "Execute a command in a running container");
    command.flag("-d,--detach", options->detach, "Detached mode: run command in the background");
    command.flag("-i,--interactive", options->interactive, "Keep STDIN open even if not attached");
    command.flag("-t,--tty", options->tty, "Allocate a pseudo-TTY");
    command.flag("--privileged", options->privileged, "Give extended privileges to the command");
    command.option("-u,--user", options->user,
                   "Username or UID (format: \"<name|uid>[:<group|gid>]\")");
    command.option("-w,--workdir", options->folder, "Working directory inside the container");
    command.option("-e,--env", options->environment, "Set environment variables");
    command
        .option("--env-file", options->environment_files, "Read in a file of environment variables")
        .completes(Completes::files);
    command.option("--detach-keys", options->detach_keys,
                   "Override the key sequence for detaching a container");
    command.arguments("CONTAINER COMMAND [ARG...]", 2, kUnlimited, Completes::running_containers)
        .stop_at_first_argument();
    command.action([options](Session& session, const auto& arguments) {
        return exec(session, *options, arguments);
    });
    return command;
}

}  // namespace hako::cli
