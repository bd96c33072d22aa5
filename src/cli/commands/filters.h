// --filter key=value, as the API's `filters` parameter takes it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hako::cli {

// {"key": ["value", ...]} as text; empty without filters.
Result<std::string> encode_filters(const std::vector<std::string>& filters);

}  // namespace hako::cli
