// hako man
#include "cli/commands/commands.h"
#include "cli/man_pages.h"
#include "cli/session.h"

namespace hako::cli {

Command man_command() {
    Command command("man", "Write the manual pages of all commands to a folder");
    command.arguments("FOLDER", 1, 1, Completes::files);
    command.action([](Session& session, const auto& arguments) -> Result<int> {
        HAKO_CHECK(write_man_pages(*session.root, arguments.front()));
        return 0;
    });
    return command;
}

}  // namespace hako::cli
