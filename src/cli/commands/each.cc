#include "cli/commands/each.h"

namespace hako::cli {

Result<int> for_each_argument(
    Session& session, const std::vector<std::string>& names,
    const std::function<Result<std::string>(const Api&, const std::string&)>& act) {
    HAKO_TRY(const auto* api, session.api());
    int status = 0;
    for (const auto& name : names) {
        const auto line = act(*api, name);
        if (!line) {
            session.io.complain(line.error().message());
            status = 1;
        } else if (!line->empty()) {
            session.io.print_line(*line);
        }
    }
    return status;
}

}  // namespace hako::cli
