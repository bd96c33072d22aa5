// hako diff
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {

Command diff_command() {
    Command command("diff", "List the files that a container changed");
    command.arguments("CONTAINER", 1, 1, Completes::containers);
    command.action([](Session& session, const auto& names) -> Result<int> {
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto changes,
                 api->get(fmt::format("/containers/{}/changes", names.front())));
        constexpr std::string_view kKinds = "CAD";
        std::string text;
        for (const auto& change : changes)
            text += fmt::format("{} {}\n", kKinds.at(change.value("Kind", 0U)),
                                change.value("Path", ""));
        session.io.print(text);
        return 0;
    });
    return command;
}

}  // namespace hako::cli
