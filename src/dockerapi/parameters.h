// Query parameters and JSON bodies as Docker's clients write them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/units.h"
#include "engine/types.h"
#include "http/message.h"
#include "oci/platform.h"

namespace hako::dockerapi {

// False when absent, "", "0", "no", "false" or "none"; else true.
bool flag(const http::Query& query, std::string_view name, bool fallback = false);
// Absent or empty is nullopt. ErrorKind::invalid names the parameter.
Result<std::optional<int>> number(const http::Query& query, std::string_view name);
// "1700000000", "1700000000.123456789" (seconds since the epoch) or RFC 3339; the unset time when
// absent or 0.
Result<WallTime> time_parameter(const http::Query& query, std::string_view name);
// The value of such a parameter, or how long ago: "24h".
Result<WallTime> moment(std::string_view name, const std::string& text);
// "h" and "w", at most 65535 each, none 0.
Result<engine::WindowSize> window_size(const http::Query& query);

// One of "platform" as text ("linux/arm64") or as the JSON object that newer clients send
// ({"os":"linux","architecture":"arm64","variant":"v8"}); nullopt when absent or empty.
Result<std::optional<oci::Platform>> platform(const http::Query& query,
                                              std::string_view name = "platform");

// {"label":["a","b"]}, or of older clients {"label":{"a":true}}.
using Filters = std::map<std::string, std::vector<std::string>>;
// The query's "filters". ErrorKind::invalid for what is no such object and for unknown names.
Result<Filters> filters(const http::Query& query, std::span<const std::string_view> known);
// The values of one filter; none when it is not set.
std::vector<std::string> values_of(const Filters& filters, const std::string& name);
// "true", "1" or "false", "0". ErrorKind::invalid for others.
Result<bool> boolean_filter(std::string_view name, std::string_view value);

// The body as a JSON object. An empty body is {} when it may be.
Result<Json> json_body(const http::Request& request, bool may_be_empty = false);

}  // namespace hako::dockerapi
