// JSON without exceptions: nlohmann::json with bounded parsing and typed access that reports the
// field's name. Input of others is untrusted: depth and size are limited.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace hako {

using Json = nlohmann::json;

struct JsonLimits {
    std::size_t max_bytes = 8U << 20U;
    int max_depth = 64;
};
// ErrorKind::invalid names the place; too_large when over the limits.
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});
// Compact text; invalid UTF-8 is replaced, never thrown on.
std::string dump_json(const Json& value);

// Reads object[name] as T (bool, integers, double, std::string, std::vector of them,
// std::map<std::string, std::string>, Json). Absent or null is nullopt; a wrong type or an integer
// out of range is ErrorKind::invalid with the field's name.
template <typename T>
Result<std::optional<T>> json_field(const Json& object, std::string_view name);
// The same with a default for absent and null.
template <typename T>
Result<T> json_field_or(const Json& object, std::string_view name, T fallback);

// ------------------------------------------------------------------------------------------------

namespace detail {
bool holds_integer(const Json& value, std::int64_t low, std::uint64_t high);

// Whether value can be read as T without loss.
template <typename T>
struct JsonRead {
    static bool fits(const Json& value) {
        if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
        else if constexpr (std::is_integral_v<T>)
            return holds_integer(value, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                 static_cast<std::uint64_t>(std::numeric_limits<T>::max()));
        else if constexpr (std::is_floating_point_v<T>) return value.is_number();
        else if constexpr (std::is_same_v<T, std::string>) return value.is_string();
        else return std::is_same_v<T, Json>;
    }
};
template <typename T>
struct JsonRead<std::vector<T>> {
    static bool fits(const Json& value) {
        return value.is_array() && std::ranges::all_of(value, JsonRead<T>::fits);
    }
};
template <typename T>
struct JsonRead<std::map<std::string, T>> {
    static bool fits(const Json& value) {
        return value.is_object() && std::ranges::all_of(value, JsonRead<T>::fits);
    }
};
}  // namespace detail

template <typename T>
Result<std::optional<T>> json_field(const Json& object, std::string_view name) {
    if (!object.is_object()) return fail(ErrorKind::invalid, "a JSON object is expected");
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return std::optional<T>();
    if (!detail::JsonRead<T>::fits(*found))
        return fail(ErrorKind::invalid, "field {} has a wrong type or is out of range", name);
    return std::optional<T>(found->template get<T>());
}

template <typename T>
Result<T> json_field_or(const Json& object, std::string_view name, T fallback) {
    HAKO_TRY(auto value, json_field<T>(object, name));
    return value ? *std::move(value) : std::move(fallback);
}

}  // namespace hako
