// hako stop, kill, restart, wait and rm: one request for each container named.
#include <algorithm>

#include "cli/attachment.h"
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct StopOptions {
    std::optional<std::int64_t> timeout;
    std::string signal;
};

// stop and restart: POST /containers/{id}/<verb>?t=&signal=
Command stopping_command(std::string verb, std::string_view summary) {
    auto options = std::make_shared<StopOptions>();
    Command command(verb, std::string(summary));
    command.option("-t,--timeout", options->timeout,
                   "Seconds to wait before killing the container");
    command.option("-s,--signal", options->signal, "Signal to send to the container");
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::running_containers);
    command.action([options, verb](Session& session, const auto& names) {
        return for_all_arguments(
            session, names, [&](const Api& api, const std::string& name) -> Result<std::string> {
                http::Query query;
                if (options->timeout) query.add("t", std::to_string(*options->timeout));
                if (!options->signal.empty()) query.add("signal", options->signal);
                const auto done = api.post(fmt::format("/containers/{}/{}", name, verb), query);
                if (!done && done.error().kind() != ErrorKind::not_modified)
                    return fail(done.error());
                return name;
            });
    });
    return command;
}

struct RemoveOptions {
    bool force = false, volumes = false, link = false;
};

Result<std::string> remove_container(const Api& api, const std::string& name,
                                     const RemoveOptions& options) {
    http::Query query;
    if (options.force) query.add("force", "1");
    if (options.volumes) query.add("v", "1");
    if (options.link) query.add("link", "1");
    const auto done = api.remove(fmt::format("/containers/{}", name), query);
    // What is gone already need not be forced away.
    if (!done && !(options.force && done.error().kind() == ErrorKind::not_found))
        return fail(done.error());
    return done ? name : std::string();
}

}  // namespace

Command stop_command() { return stopping_command("stop", "Stop one or more running containers"); }

Command restart_command() { return stopping_command("restart", "Restart one or more containers"); }

Command kill_command() {
    auto signal = std::make_shared<std::string>();
    Command command("kill", "Kill one or more running containers");
    command.option("-s,--signal", *signal, "Signal to send to the container");
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::running_containers);
    command.action([signal](Session& session, const auto& names) {
        return for_all_arguments(
            session, names, [&](const Api& api, const std::string& name) -> Result<std::string> {
                http::Query query;
                if (!signal->empty()) query.add("signal", *signal);
                HAKO_CHECK(api.post(fmt::format("/containers/{}/kill", name), query));
                return name;
            });
    });
    return command;
}

Command wait_command() {
    Command command("wait", "Block until one or more containers stop, then print their exit codes");
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::running_containers);
    command.action([](Session& session, const auto& names) {
        return for_each_argument(
            session, names, [](const Api& api, const std::string& name) -> Result<std::string> {
                HAKO_TRY(auto wait, ExitWait::begin(api, name, "not-running"));
                HAKO_TRY(const int status, wait.status());
                return std::to_string(status);
            });
    });
    return command;
}

Command rm_command() {
    auto options = std::make_shared<RemoveOptions>();
    Command command("rm", "Remove one or more containers");
    command.flag("-f,--force", options->force,
                 "Force the removal of a running container (uses SIGKILL)");
    command.flag("-v,--volumes", options->volumes,
                 "Remove anonymous volumes associated with the container");
    command.flag("-l,--link", options->link, "Remove the specified link");
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::containers);
    command.action([options](Session& session, const auto& names) {
        return for_all_arguments(session, names, [&](const Api& api, const std::string& name) {
            return remove_container(api, name, *options);
        });
    });
    return command;
}

}  // namespace hako::cli
