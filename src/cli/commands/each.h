// Commands that do the same to each of their arguments.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace hako::cli {

// Returns a line, or nothing to print.
using ActOnArgument = std::function<Result<std::string>(const Api&, const std::string&)>;

// Prints what `act` returns for each name; errors go to stderr and the rest is still done. Exit
// status 1 when one failed.
Result<int> for_each_argument(Session& session, const std::vector<std::string>& names,
                              const ActOnArgument& act);

// The same for what takes its time in the daemon: at once, up to 50 as docker does it. `act` is
// called by several threads; the lines come in the names' order.
Result<int> for_all_arguments(Session& session, const std::vector<std::string>& names,
                              const ActOnArgument& act);

}  // namespace hako::cli
