// hako export
#include "cli/commands/commands.h"
#include "cli/output/download.h"
#include "cli/session.h"

namespace hako::cli {

Command export_command() {
    auto output = std::make_shared<std::string>();
    Command command("export", "Export a container's filesystem as a tar archive");
    command.option("-o,--output", *output, "Write to a file, instead of STDOUT")
        .completes(Completes::files);
    command.arguments("CONTAINER", 1, 1, Completes::running_containers);
    command.action([output](Session& session, const auto& names) -> Result<int> {
        HAKO_CHECK(check_output(session.io, *output));
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto answer,
                 api->stream("GET", fmt::format("/containers/{}/export", names.front())));
        HAKO_CHECK(download(*answer, session.io, *output));
        return 0;
    });
    return command;
}

}  // namespace hako::cli
