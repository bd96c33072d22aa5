// hako macos snapshot, snapshots, restore, forget, resize: a machine's disks
#include "base/json.h"
#include "base/units.h"
#include "cli/commands/macos.h"
#include "cli/output/table.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

Result<int> list(Session& session, const std::string& machine, bool json) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto snapshots, control_mac(*api, machine, "snapshots"));
    if (json) {
        session.io.print(dump_json(snapshots) + "\n");
        return 0;
    }
    std::vector<Row> rows{{"SNAPSHOT", "TAKEN", "MEMORY", "SIZE"}};
    for (const auto& snapshot : snapshots) {
        HAKO_TRY(const auto name, json_field_or<std::string>(snapshot, "name", {}));
        HAKO_TRY(const auto taken, json_field_or<std::string>(snapshot, "taken", {}));
        HAKO_TRY(const auto time, parse_time(taken));
        HAKO_TRY(const bool memory, json_field_or(snapshot, "memory", false));
        HAKO_TRY(const auto bytes, json_field_or<std::uint64_t>(snapshot, "bytes", 0));
        rows.push_back({name, time_ago(time, now()), memory ? "yes" : "no", format_size(bytes)});
    }
    session.io.print(format_table(rows));
    return 0;
}

Result<int> act(Session& session, const std::string& machine, std::string_view verb,
                const Json& arguments) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_CHECK(control_mac(*api, machine, verb, arguments));
    return 0;
}

}  // namespace

Command macos_snapshot_command() {
    auto memory = std::make_shared<bool>(false);
    Command command("snapshot", "Keep a machine's disks as they are now");
    command
        .flag("--memory", *memory,
              "Of a machine that runs, also its memory: it can go on from there")
        .arguments("[OPTIONS] MACHINE NAME", 2, 2, Completes::containers);
    command.action([memory](Session& session, const auto& words) {
        return act(session, words[0], "snapshot", {{"name", words[1]}, {"memory", *memory}});
    });
    return command;
}

Command macos_snapshots_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("snapshots", "List the snapshots of a machine");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("[OPTIONS] MACHINE", 1, 1, Completes::containers);
    command.action([format](Session& session, const auto& words) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        return list(session, words[0], json);
    });
    return command;
}

Command macos_restore_command() {
    auto disk_only = std::make_shared<bool>(false);
    Command command("restore", "Put the disks of a stopped machine back as a snapshot has them");
    command.flag("--disk-only", *disk_only, "Boot at the next start, also where there is memory")
        .arguments("[OPTIONS] MACHINE NAME", 2, 2, Completes::containers);
    command.action([disk_only](Session& session, const auto& words) {
        return act(session, words[0], "restore", {{"name", words[1]}, {"disk_only", *disk_only}});
    });
    return command;
}

Command macos_forget_command() {
    Command command("forget", "Remove a snapshot");
    command.arguments("MACHINE NAME", 2, 2, Completes::containers);
    command.action([](Session& session, const auto& words) {
        return act(session, words[0], "forget", {{"name", words[1]}});
    });
    return command;
}

Command macos_resize_command() {
    auto disk = std::make_shared<std::optional<std::int64_t>>();
    Command command("resize", "Make a machine's disk larger, also while it runs");
    command.option("--disk", *disk, "Which one, 1 to 6 (default 1)")
        .arguments("[OPTIONS] MACHINE SIZE", 2, 2, Completes::containers);
    command.action([disk](Session& session, const auto& words) -> Result<int> {
        HAKO_TRY(const auto bytes, parse_bytes(words[1]));
        const auto number = disk->value_or(1);
        if (number < 1) return fail(ErrorKind::invalid, "disks count from 1");
        return act(session, words[0], "resize", {{"disk", number}, {"bytes", bytes}});
    });
    return command;
}

}  // namespace hako::cli
