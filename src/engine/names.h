// Names of containers and of signals.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hako::engine {

constexpr std::size_t kMaxNameLength = 255;

// [a-zA-Z0-9][a-zA-Z0-9_.-]+, with or without a leading slash; returned without it.
Result<std::string> check_container_name(std::string_view name);

// "quiet_harbor", of our own words; with attempt > 0 a number follows.
std::string random_container_name(int attempt);

// "SIGTERM", "term", "15" -> 15. ErrorKind::invalid "invalid signal: x".
Result<int> parse_signal(std::string_view text);

}  // namespace hako::engine
