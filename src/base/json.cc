#include "base/json.h"

namespace hako {
namespace {

// Deep nesting would overflow the stack of whoever destroys or walks the value.
bool too_deep(std::string_view text, int max_depth) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_depth) return true;
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
    if (text.size() > limits.max_bytes)
        return fail(ErrorKind::too_large, "the JSON has {} bytes, more than the {} allowed",
                    text.size(), limits.max_bytes);
    if (too_deep(text, limits.max_depth))
        return fail(ErrorKind::invalid, "the JSON is nested deeper than {} levels",
                    limits.max_depth);
    try {
        return Json::parse(text);
    } catch (const Json::exception& error) {
        return fail(ErrorKind::invalid, "this is no valid JSON: {}", error.what());
    }
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool detail::holds_integer(const Json& value, std::int64_t low, std::uint64_t high) {
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        return number <= high && (low <= 0 || number >= static_cast<std::uint64_t>(low));
    }
    if (!value.is_number_integer()) return false;
    const auto number = value.get<std::int64_t>();
    return number >= low && (number < 0 || static_cast<std::uint64_t>(number) <= high);
}

}  // namespace hako
