// hako pause, unpause, rename, update and container prune
#include "cli/commands/commands.h"
#include "cli/commands/each.h"
#include "cli/commands/prune.h"
#include "cli/flags/values.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

// POST /containers/{id}/<verb>
Command simple_command(std::string verb, std::string_view summary) {
    Command command(verb, std::string(summary));
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::running_containers);
    command.action([verb](Session& session, const auto& names) {
        return for_each_argument(
            session, names, [&](const Api& api, const std::string& name) -> Result<std::string> {
                HAKO_CHECK(api.post(fmt::format("/containers/{}/{}", name, verb)));
                return name;
            });
    });
    return command;
}

Result<int> update(Session& session, const Json& changes, const std::vector<std::string>& names) {
    if (changes.empty())
        return fail(ErrorKind::invalid,
                    "you must provide one or more flags when using this command");
    return for_each_argument(
        session, names, [&](const Api& api, const std::string& name) -> Result<std::string> {
            HAKO_TRY(const auto answer,
                     api.post(fmt::format("/containers/{}/update", name), {}, changes));
            HAKO_TRY(const auto warnings,
                     json_field_or(answer, "Warnings", std::vector<std::string>()));
            for (const auto& warning : warnings) session.io.complain("WARNING: " + warning);
            return name;
        });
}

}  // namespace

Command pause_command() {
    return simple_command("pause", "Pause one or more containers: their VMs' CPUs stand still");
}

Command unpause_command() { return simple_command("unpause", "Unpause one or more containers"); }

Command rename_command() {
    Command command("rename", "Rename a container");
    command.arguments("CONTAINER NEW_NAME", 2, 2, Completes::containers);
    command.action([](Session& session, const auto& names) -> Result<int> {
        HAKO_TRY(const auto* api, session.api());
        HAKO_CHECK(api->post(fmt::format("/containers/{}/rename", names[0]), {{"name", names[1]}}));
        return 0;
    });
    return command;
}

Command update_command() {
    auto changes = std::make_shared<Json>(Json::object());
    Command command("update", "Update configuration of one or more containers");
    const auto number = [&](const char* flag, const char* field, const char* help) {
        command.option(flag, "int", help,
                       [changes, field](const std::string& text) -> Result<void> {
                           const auto value = parse_json(text);
                           if (!value || !value->is_number_integer())
                               return fail(ErrorKind::invalid, "it is no number");
                           (*changes)[field] = *value;
                           return {};
                       });
    };
    const auto bytes = [&](const char* flags, const char* field, const char* help) {
        command.option(flags, "bytes", help,
                       [changes, field](const std::string& text) -> Result<void> {
                           if (text == "-1") {
                               (*changes)[field] = -1;
                               return {};
                           }
                           HAKO_TRY((*changes)[field], parse_bytes(text));
                           return {};
                       });
    };
    number("--cpu-period", "CpuPeriod", "Limit CPU CFS (Completely Fair Scheduler) period");
    number("--cpu-quota", "CpuQuota", "Limit CPU CFS (Completely Fair Scheduler) quota");
    number("-c,--cpu-shares", "CpuShares", "CPU shares (relative weight)");
    command.option("--cpus", "decimal", "Number of CPUs",
                   [changes](const std::string& text) -> Result<void> {
                       HAKO_TRY((*changes)["NanoCpus"], parse_cpus(text));
                       return {};
                   });
    bytes("-m,--memory", "Memory", "Memory limit");
    bytes("--memory-reservation", "MemoryReservation", "Memory soft limit");
    bytes("--memory-swap", "MemorySwap",
          "Swap limit equal to memory plus swap: -1 to enable unlimited swap");
    number("--pids-limit", "PidsLimit", "Tune container pids limit (set -1 for unlimited)");
    command.option("--restart", "string", "Restart policy to apply when a container exits",
                   [changes](const std::string& text) -> Result<void> {
                       HAKO_TRY((*changes)["RestartPolicy"], parse_restart_policy(text));
                       return {};
                   });
    command.arguments("CONTAINER [CONTAINER...]", 1, kUnlimited, Completes::containers);
    command.action([changes](Session& session, const auto& names) {
        return update(session, *changes, names);
    });
    return command;
}

Command container_prune_command() {
    return prune_command({.noun = "container",
                          .title = "Containers",
                          .summary = "Remove all stopped containers",
                          .filters = "Provide filter values (e.g. \"until=24h\")",
                          .unused = "all stopped containers"});
}

}  // namespace hako::cli
