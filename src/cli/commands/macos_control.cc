// hako macos screenshot, type, key, click, console, wait: what a person does at the machine
#include <chrono>
#include <thread>

#include "base/fd.h"
#include "base/json.h"
#include "cli/commands/macos.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

constexpr auto kLook = std::chrono::seconds(1);

// Runs the verb on the machine that the first argument names, with the JSON that `make` gives.
template <typename Make>
Command control_command(std::string name, std::string_view summary, std::string_view usage,
                        std::size_t least, std::size_t most, Make make) {
    Command command(name, std::string(summary));
    command.arguments(usage, least, most, Completes::running_containers);
    command.action([name, make](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const Json body, make(arguments));
        HAKO_TRY(const auto* api, session.api());
        HAKO_CHECK(control_mac(*api, arguments.front(), name, body));
        return 0;
    });
    return command;
}

Result<int> wait_for_screen(Session& session, const std::string& name, std::int64_t limit) {
    HAKO_TRY(const auto* api, session.api());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(limit);
    for (;;) {
        const auto screen = control_mac(*api, name, "screen");
        // One that is still made has no screen.
        if (!screen && screen.error().kind() != ErrorKind::conflict) return fail(screen.error());
        if (screen) {
            HAKO_TRY(const bool blank, json_field_or(*screen, "blank", true));
            if (!blank) return 0;
        }
        HAKO_TRY(const auto info, api->get(fmt::format("/containers/{}/json", name)));
        HAKO_TRY(const auto state, json_field_or(info, "State", Json::object()));
        HAKO_TRY(const bool running, json_field_or(state, "Running", false));
        if (!running)
            return fail(ErrorKind::conflict, "{} has ended: `hako logs {}` says why", name, name);
        if (std::chrono::steady_clock::now() > end)
            return fail(ErrorKind::deadline, "{} shows nothing after {} seconds", name, limit);
        std::this_thread::sleep_for(kLook);
    }
}

Result<unsigned> coordinate(const std::string& text) {
    HAKO_TRY(const auto value, with_context(parse_json(text), "a place on the screen"));
    if (value.is_number_unsigned() && value <= 100'000) return value.get<unsigned>();
    return fail(ErrorKind::invalid,
                "\"{}\" is no place on the screen: count pixels from the left "
                "upper corner",
                text.substr(0, 32));
}

}  // namespace

Result<Json> control_mac(const Api& api, const std::string& name, std::string_view verb,
                         const Json& arguments) {
    return api.hako_send(fmt::format("/containers/{}/machine/{}", name, verb), arguments);
}

Command macos_screenshot_command() {
    auto file = std::make_shared<std::string>();
    Command command("screenshot", "Save what is on a machine's screen, as PNG");
    command.option("-o,--output", *file, "File to write (default: standard output)")
        .completes(Completes::files)
        .arguments("[OPTIONS] MACHINE", 1, 1, Completes::running_containers);
    command.action([file](Session& session, const auto& arguments) -> Result<int> {
        if (file->empty() && session.io.out_is_terminal())
            return fail(ErrorKind::invalid, "a terminal shows no picture: name a file with -o");
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto picture, api->hako_fetch(fmt::format(
                                         "/containers/{}/machine/screenshot", arguments.front())));
        HAKO_CHECK(file->empty() ? write_all(session.io.out, picture) : write_file(*file, picture));
        return 0;
    });
    return command;
}

Command macos_type_command() {
    return control_command("type", "Type a text on a machine's keyboard (American)", "MACHINE TEXT",
                           2, 2, [](const auto& arguments) -> Result<Json> {
                               return Json{{"text", arguments[1]}};
                           });
}

Command macos_key_command() {
    return control_command("key", "Press keys together on a machine's keyboard, as cmd-space",
                           "MACHINE KEYS", 2, 2, [](const auto& arguments) -> Result<Json> {
                               return Json{{"keys", arguments[1]}};
                           });
}

Command macos_click_command() {
    auto button = std::make_shared<std::string>("left");
    auto count = std::make_shared<std::optional<std::int64_t>>();
    auto command = control_command(
        "click", "Click on a machine's screen, in pixels from the left upper corner", "MACHINE X Y",
        3, 3, [button, count](const auto& arguments) -> Result<Json> {
            HAKO_TRY(const auto x, coordinate(arguments[1]));
            HAKO_TRY(const auto y, coordinate(arguments[2]));
            return Json{{"x", x}, {"y", y}, {"button", *button}, {"count", count->value_or(1)}};
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
        HAKO_TRY(const auto status, control_mac(*api, arguments.front(), "status"));
        HAKO_TRY(const auto viewer, json_field_or<std::string>(status, "viewer", {}));
        if (viewer.empty())
            return fail(ErrorKind::conflict, "{} has no viewer (DISPLAY=web)", arguments.front());
        session.io.print_line(viewer);
        return 0;
    });
    return command;
}

Command macos_wait_command() {
    auto screen = std::make_shared<bool>(false);
    auto limit = std::make_shared<std::optional<std::int64_t>>();
    Command command("wait", "Wait until a machine shows something");
    command.flag("--screen", *screen, "Until its screen has more than one colour")
        .option("--timeout", *limit, "Seconds to wait at most (default 3600)")
        .arguments("[OPTIONS] MACHINE", 1, 1, Completes::running_containers);
    command.action([screen, limit](Session& session, const auto& arguments) -> Result<int> {
        if (!*screen) return fail(ErrorKind::invalid, "say what to wait for: --screen");
        return wait_for_screen(session, arguments.front(), limit->value_or(3600));
    });
    return command;
}

}  // namespace hako::cli
