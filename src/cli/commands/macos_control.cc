// hako macos screenshot, type, key, click, snapshot ...: what a person does at the machine, as
// execs of its container
#include <array>
#include <chrono>
#include <thread>

#include "base/fd.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/commands/macos.h"
#include "cli/demux.h"
#include "cli/output/table.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

using Words = std::vector<std::string>;

constexpr auto kLook = std::chrono::seconds(1);

// All that the exec writes.
Result<std::pair<std::string, std::string>> collect(http::Upgraded connection) {
    std::pair<std::string, std::string> text;
    Demultiplexer frames([&](OutputStream stream, std::span<const std::byte> data) -> Result<void> {
        (stream == OutputStream::out ? text.first : text.second) += as_text(data);
        return {};
    });
    HAKO_CHECK(frames.feed(as_bytes(connection.received)));
    std::array<std::byte, std::size_t{64} << 10U> buffer;
    for (;;) {
        HAKO_TRY(const auto got, read_some(connection.socket.get(), buffer));
        if (got == 0) break;
        HAKO_CHECK(frames.feed(std::span(buffer).first(got)));
    }
    HAKO_CHECK(frames.finish());
    return text;
}

// Prints what the command line that `words` makes of the arguments answers.
Command machine_command(std::string_view name, std::string_view summary, std::string_view usage,
                        std::size_t least, std::size_t most,
                        std::function<Result<Words>(const Words&)> words) {
    Command command{std::string(name), std::string(summary)};
    command.arguments(usage, least + 1, most + 1, Completes::running_containers);
    command.action(
        [words = std::move(words)](Session& session, const auto& arguments) -> Result<int> {
            HAKO_TRY(const auto* api, session.api());
            HAKO_TRY(const auto command_line, words({arguments.begin() + 1, arguments.end()}));
            HAKO_TRY(const auto answer, run_in_mac(*api, arguments.front(), command_line));
            session.io.print(answer);
            return 0;
        });
    return command;
}

// The command's name, and the arguments as they are.
std::function<Result<Words>(const Words&)> plainly(const char* name) {
    return [name](const Words& arguments) -> Result<Words> {
        Words words{name};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return words;
    };
}

// With one more word where the flag is set.
std::function<Result<Words>(const Words&)> with_word(const char* name, std::shared_ptr<bool> flag,
                                                     const char* word) {
    return [name, flag = std::move(flag), word](const Words& arguments) -> Result<Words> {
        HAKO_TRY(auto words, plainly(name)(arguments));
        if (*flag) words.emplace_back(word);
        return words;
    };
}

Result<int> list_snapshots(const Session& session, const std::string& text) {
    HAKO_TRY(const auto snapshots, parse_json(text));
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

Result<void> wait_for_screen(const Api& api, const std::string& name, std::int64_t limit) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(limit);
    for (;;) {
        // One that is still made has no screen.
        if (const auto answer = run_in_mac(api, name, {"screen"})) {
            HAKO_TRY(const auto screen, parse_json(*answer));
            HAKO_TRY(const bool blank, json_field_or(screen, "blank", true));
            if (!blank) return {};
        }
        HAKO_TRY(const auto info, api.get(fmt::format("/containers/{}/json", name)));
        HAKO_TRY(const auto state, json_field_or(info, "State", Json::object()));
        HAKO_TRY(const bool running, json_field_or(state, "Running", false));
        if (!running)
            return fail(ErrorKind::conflict, "{} does not run: `hako logs {}` says why", name,
                        name);
        if (std::chrono::steady_clock::now() > end)
            return fail(ErrorKind::deadline, "{} shows nothing after {} seconds", name, limit);
        std::this_thread::sleep_for(kLook);
    }
}

}  // namespace

Result<std::string> run_in_mac(const Api& api, const std::string& name, const Words& words) {
    HAKO_TRY(const auto created,
             api.post(fmt::format("/containers/{}/exec", name), {},
                      {{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", words}}));
    HAKO_TRY(const auto id, json_field_or<std::string>(created, "Id", {}));
    HAKO_TRY(auto connection, api.upgrade(fmt::format("/exec/{}/start", id), {},
                                          {{"Detach", false}, {"Tty", false}}));
    HAKO_TRY(auto text, collect(std::move(connection)));
    HAKO_TRY(const auto state, api.get(fmt::format("/exec/{}/json", id)));
    HAKO_TRY(const auto code, json_field_or(state, "ExitCode", 0));
    if (code == 0) return std::move(text.first);
    while (text.second.ends_with('\n')) text.second.pop_back();
    return fail(ErrorKind::conflict, "{}: {}", name, text.second);
}

Command macos_screenshot_command() {
    auto file = std::make_shared<std::string>();
    Command command("screenshot", "Save what is on a machine's screen, as PNG");
    command.option("-o,--output", *file, "File to write (default: standard output)")
        .completes(Completes::files)
        .arguments("MACHINE", 1, 1, Completes::running_containers);
    command.action([file](Session& session, const auto& arguments) -> Result<int> {
        if (file->empty() && session.io.out_is_terminal())
            return fail(ErrorKind::invalid, "a terminal shows no picture: name a file with -o");
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto picture, run_in_mac(*api, arguments.front(), {"screenshot"}));
        HAKO_CHECK(file->empty() ? write_all(session.io.out, picture) : write_file(*file, picture));
        return 0;
    });
    return command;
}

Command macos_type_command() {
    return machine_command("type", "Type a text on a machine's keyboard (American)", "MACHINE TEXT",
                           1, 1, plainly("type"));
}

Command macos_key_command() {
    return machine_command("key", "Press keys together on a machine's keyboard, as cmd-space",
                           "MACHINE KEYS...", 1, 100, plainly("key"));
}

Command macos_click_command() {
    auto button = std::make_shared<std::string>("left");
    auto count = std::make_shared<std::string>("1");
    auto command = machine_command(
        "click", "Click on a machine's screen, in pixels from the left upper corner", "MACHINE X Y",
        2, 2, [button, count](const Words& place) -> Result<Words> {
            return Words{"click", place[0], place[1], *button, *count};
        });
    command.option("--button", *button, "left, middle or right (default left)")
        .option("--count", *count, "How many times (default 1)");
    return command;
}

Command macos_console_command() {
    Command command("console", "Print where a machine's screen is shown in a browser");
    command.arguments("MACHINE", 1, 1, Completes::running_containers);
    command.action([](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto answer, run_in_mac(*api, arguments.front(), {"status"}));
        HAKO_TRY(const auto status, parse_json(answer));
        HAKO_TRY(const auto viewers, json_field_or<Words>(status, "viewers", {}));
        if (viewers.empty())
            return fail(ErrorKind::conflict, "{} has no viewer (DISPLAY=web)", arguments.front());
        for (const auto& viewer : viewers) session.io.print_line(viewer);
        return 0;
    });
    return command;
}

Command macos_wait_command() {
    struct Flags {
        bool screen = false, ssh = false;
        std::string address;
        std::optional<std::int64_t> limit;
    };
    auto flags = std::make_shared<Flags>();
    Command command("wait", "Wait until a machine shows something, or lets one log in");
    command.flag("--screen", flags->screen, "Until its screen has more than one colour")
        .flag("--ssh", flags->ssh, "Until its Remote Login answers")
        .option("--address", flags->address, "Where its ssh is, as HOST[:PORT] (see exec)")
        .option("--timeout", flags->limit, "Seconds to wait at most (default 3600)")
        .arguments("MACHINE", 1, 1, Completes::running_containers);
    command.action([flags](Session& session, const auto& arguments) -> Result<int> {
        if (!flags->screen && !flags->ssh)
            return fail(ErrorKind::invalid, "say what to wait for: --screen or --ssh");
        HAKO_TRY(const auto* api, session.api());
        const auto limit = flags->limit.value_or(3600);
        if (flags->screen) HAKO_CHECK(wait_for_screen(*api, arguments.front(), limit));
        if (flags->ssh)
            HAKO_CHECK(
                wait_for_ssh(*api, arguments.front(), flags->address, std::chrono::seconds(limit)));
        return 0;
    });
    return command;
}

Command macos_snapshot_command() {
    auto memory = std::make_shared<bool>(false);
    auto command = machine_command("snapshot", "Keep a machine's disks as they are now",
                                   "MACHINE NAME", 1, 1, with_word("snapshot", memory, "memory"));
    command.flag("--memory", *memory, "And its memory: it can go on from there");
    return command;
}

Command macos_snapshots_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("snapshots", "List the snapshots of a machine");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("MACHINE", 1, 1, Completes::running_containers);
    command.action([format](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto answer, run_in_mac(*api, arguments.front(), {"snapshots"}));
        if (!json) return list_snapshots(session, answer);
        session.io.print(answer);
        return 0;
    });
    return command;
}

Command macos_restore_command() {
    auto disk_only = std::make_shared<bool>(false);
    auto command = machine_command(
        "restore", "Put a machine back to what a snapshot has; what it did since is lost",
        "MACHINE NAME", 1, 1, with_word("restore", disk_only, "disk-only"));
    command.flag("--disk-only", *disk_only, "Boot, also where the snapshot has memory");
    return command;
}

Command macos_forget_command() {
    return machine_command("forget", "Remove a snapshot", "MACHINE NAME", 1, 1, plainly("forget"));
}

Command macos_resize_command() {
    auto disk = std::make_shared<std::string>("1");
    auto command = machine_command("resize", "Make a machine's disk larger", "MACHINE SIZE", 1, 1,
                                   [disk](const Words& arguments) -> Result<Words> {
                                       return Words{"resize", arguments[0], *disk};
                                   });
    command.option("--disk", *disk, "Which one, 1 to 6 (default 1)");
    return command;
}

}  // namespace hako::cli
