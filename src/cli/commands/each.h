// Commands that do the same to each of their arguments.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace hako::cli {

// Prints what `act` returns (a line, or nothing when it is empty) for each name; errors go to
// stderr and the rest is still done. Exit status 1 when one failed.
Result<int> for_each_argument(
    Session& session, const std::vector<std::string>& names,
    const std::function<Result<std::string>(const Api&, const std::string&)>& act);

}  // namespace hako::cli
