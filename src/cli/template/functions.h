// The functions that a template may call.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::cli::ast {

bool is_function(std::string_view name);
Result<Json> call_function(std::string_view name, const std::vector<Json>& arguments);
// What {{if}} takes for true: not null, false, 0 or empty.
bool is_true(const Json& value);

}  // namespace hako::cli::ast
