// Variables of dockur/macos that mean nothing here.
#pragma once

#include <string>
#include <vector>

#include "macos/settings.h"

namespace hako::macos {

// A warning for each that is there: what counts instead. Those of other programs are passed over.
std::vector<std::string> warn_of_dockurs(const Variables& variables);

}  // namespace hako::macos
