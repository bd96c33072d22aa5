// Times as --since and --until take them.
#pragma once

#include <string>

#include "base/result.h"

namespace hako::cli {

// "2026-11-22T09:30:00Z", "2026-11-22", "1700000000" or a span before now ("42m") -> seconds since
// the epoch with nine decimals, as the API takes them.
Result<std::string> parse_moment(const std::string& text);

}  // namespace hako::cli
