// hako console: the serial console of a container's VM, which is where its kernel and agent speak.
#include <array>

#include "base/fd.h"
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {

Command console_command() {
    Command command("console", "Print what a container's VM wrote to its serial console");
    command.arguments("CONTAINER", 1, 1, Completes::running_containers);
    command.action([](Session& session, const auto& names) -> Result<int> {
        HAKO_TRY(const auto* api, session.api());
        HAKO_TRY(const auto stream,
                 api->hako_download(fmt::format("/containers/{}/console", names.front()), {}));
        std::array<std::byte, 64 * kKiB> buffer{};
        while (true) {
            HAKO_TRY(const auto count, stream->read(buffer));
            if (count == 0) return 0;
            HAKO_CHECK(write_all(session.io.out, std::span(buffer).first(count)));
        }
    });
    return command;
}

}  // namespace hako::cli
