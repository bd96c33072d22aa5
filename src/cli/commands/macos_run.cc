// hako macos run, ls: macOS machines as containers of the daemon
#include <array>
#include <filesystem>

#include "base/fd.h"
#include "cli/commands/macos.h"
#include "cli/commands/macos_opencore.h"
#include "cli/creation.h"
#include "cli/demux.h"
#include "cli/flags/container_flags.h"
#include "cli/output/table.h"
#include "cli/output/text.h"
#include "cli/session.h"
#include "macos/progress.h"
#include "macos/versions.h"

namespace hako::cli {
namespace {

constexpr std::string_view kImage = "macos";
constexpr std::string_view kIsUp = "macOS is running\n";
constexpr std::string_view kLabel = "io.hako.machine=macos";

struct RunFlags {
    ContainerFlags container;
    std::string version, disk, recovery, from;
    OpenCoreFlags opencore;
    bool detach = false;
};

Result<Json> make_body(const RunFlags& flags) {
    HAKO_TRY(auto body, flags.container.body({std::string(kImage)}));
    Json& env = body["Env"];
    if (!env.is_array()) env = Json::array();
    const auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) env.push_back(fmt::format("{}={}", name, value));
    };
    set("VERSION", flags.version);
    set("FROM", flags.from);
    set("DISK_SIZE", flags.disk);
    if (!flags.recovery.empty())
        set("RECOVERY", std::filesystem::absolute(flags.recovery).lexically_normal());
    macos::Variables opencore;
    HAKO_CHECK(flags.opencore.add_to(opencore));
    for (const auto& [name, value] : opencore) set(name.c_str(), value);
    return body;
}

// Shows the log until the machine is up or has ended; true when it is up.
Result<bool> follow_until_up(const Session& session, const Api& api, const std::string& id) {
    HAKO_TRY(const auto answer, api.stream("GET", fmt::format("/containers/{}/logs", id),
                                           {{"stdout", "1"}, {"stderr", "1"}, {"follow", "1"}}));
    bool up = false;
    Demultiplexer frames([&](OutputStream stream, std::span<const std::byte> data) {
        up = up || as_text(data).find(kIsUp) != std::string_view::npos;
        return write_all(stream == OutputStream::out ? session.io.out : session.io.err, data);
    });
    std::array<std::byte, std::size_t{64} << 10U> buffer;
    while (!up) {
        HAKO_TRY(const auto got, answer->read(buffer));
        if (got == 0) break;
        HAKO_CHECK(frames.feed(std::span(buffer).first(got)));
    }
    return up;
}

Result<int> run_machine(Session& session, const RunFlags& flags) {
    HAKO_TRY(const auto body, make_body(flags));
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto id, create_container(session, *api, flags.container, body));
    HAKO_CHECK(start_container(*api, id));
    if (flags.detach) {
        session.io.print_line(id);
        return 0;
    }
    HAKO_TRY(const bool up, follow_until_up(session, *api, id));
    return up ? 0 : 1;
}

struct Told {
    std::vector<std::string> viewers;  // none where it has none (any more)
    std::string trouble;               // what it waits for
};

Result<Told> ask_machine(const Api& api, const std::string& id) {
    const auto answer = run_in_mac(api, id, {"status"});
    if (!answer) return Told{};
    HAKO_TRY(const auto machine, parse_json(*answer));
    HAKO_TRY(const auto progress, macos::progress_from_json(machine));
    Told told;
    HAKO_TRY(told.viewers, json_field_or<std::vector<std::string>>(machine, "viewers", {}));
    if (progress.stage == macos::Stage::waiting) told.trouble = progress.message;
    return told;
}

Result<int> list_machines(Session& session, bool json) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto containers,
             api->get("/containers/json",
                      {{"all", "1"},
                       {"filters", dump_json({{"label", Json::array({std::string(kLabel)})}})}}));
    std::vector<Row> rows{{"NAME", "VERSION", "STATUS", "VIEWER"}};
    Json answer = Json::array();
    for (const auto& container : containers) {
        HAKO_TRY(const auto names,
                 json_field_or<std::vector<std::string>>(container, "Names", {"/"}));
        HAKO_TRY(auto status, json_field_or<std::string>(container, "Status", {}));
        HAKO_TRY(const auto labels, json_field_or(container, "Labels", Json::object()));
        HAKO_TRY(const auto version,
                 json_field_or<std::string>(labels, "io.hako.macos.version", {}));
        HAKO_TRY(const auto id, json_field_or<std::string>(container, "Id", {}));
        HAKO_TRY(const auto state, json_field_or<std::string>(container, "State", {}));
        HAKO_TRY(const auto told, state == "running" ? ask_machine(*api, id) : Told{});
        if (!told.trouble.empty()) status += ". " + told.trouble;
        const auto name = names.front().substr(1);
        rows.push_back({name, version, status, fmt::format("{}", fmt::join(told.viewers, ", "))});
        answer.push_back({{"id", id},
                          {"name", name},
                          {"version", version},
                          {"status", status},
                          {"viewer", told.viewers.empty() ? "" : told.viewers.front()},
                          {"viewers", told.viewers}});
    }
    session.io.print(json ? dump_json(answer) + "\n" : format_table(rows));
    return 0;
}

}  // namespace

Command macos_run_command() {
    auto flags = std::make_shared<RunFlags>();
    Command command("run", "Make a macOS machine and run it as a container");
    flags->container.declare(command);
    command.option("--version", flags->version, "Release of macOS, by number or name (default 14)")
        .option("--disk", flags->disk, "Size of its disk (default 64G)")
        .option("--recovery", flags->recovery, "Recovery system (.dmg) to install from")
        .completes(Completes::files)
        .option("--from", flags->from,
                "Snapshot to begin with, as MACHINE:SNAPSHOT; settings come from that machine")
        .flag("-d,--detach", flags->detach, "Print its id and do not wait until it is up")
        .arguments("", 0, 0);
    flags->opencore.declare(command);
    command.action([flags](Session& session, const auto&) { return run_machine(session, *flags); });
    return command;
}

Command macos_ls_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("ls", "List macOS machines");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("", 0, 0);
    command.action([format](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        return list_machines(session, json);
    });
    return command;
}

}  // namespace hako::cli
