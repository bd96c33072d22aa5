#include "dockerapi/parameters.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/text.h"

namespace hako::dockerapi {
namespace {

template <typename T>
std::optional<T> whole_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

bool flag(const http::Query& query, std::string_view name, bool fallback) {
    const auto value = query.find(name);
    if (!value) return fallback;
    const std::string text = to_lower(*value);
    return !(text.empty() || text == "0" || text == "no" || text == "false" || text == "none");
}

Result<std::optional<int>> number(const http::Query& query, std::string_view name) {
    const auto text = query.find(name);
    if (!text || text->empty()) return std::nullopt;
    const auto value = whole_number<int>(*text);
    if (!value) return fail(ErrorKind::invalid, "invalid value for {}: {}", name, *text);
    return value;
}

Result<WallTime> time_parameter(const http::Query& query, std::string_view name) {
    const std::string text = query.value_or(name, "0");
    const auto dot = std::min(text.find('.'), text.size());
    const auto seconds = whole_number<std::int64_t>(std::string_view(text).substr(0, dot));
    std::string fraction = dot < text.size() ? text.substr(dot + 1) : "";
    fraction.resize(9, '0');
    const auto nanoseconds = whole_number<std::int64_t>(fraction);
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
    if (seconds && nanoseconds && *nanoseconds >= 0 && *seconds >= 0 && *seconds <= kMost)
        return WallTime(std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*nanoseconds));
    auto time = parse_time(text);
    if (!time) return fail(ErrorKind::invalid, "invalid value for {}: {}", name, text);
    return time;
}

Result<WallTime> moment(std::string_view name, const std::string& text) {
    if (const auto ago = parse_duration(text)) return now() - *ago;
    return time_parameter({{std::string(name), text}}, name);
}

Result<engine::WindowSize> window_size(const http::Query& query) {
    constexpr int kMost = 65535;
    engine::WindowSize size;
    for (const auto& [name, field] : {std::pair{"h", &engine::WindowSize::rows},
                                      std::pair{"w", &engine::WindowSize::columns}}) {
        HAKO_TRY(const auto value, number(query, name));
        if (!value || *value < 1 || *value > kMost)
            return fail(ErrorKind::invalid, "the terminal's size {} must be 1 to {}", name, kMost);
        size.*field = static_cast<std::uint32_t>(*value);
    }
    return size;
}

Result<std::optional<oci::Platform>> platform(const http::Query& query, std::string_view name) {
    const std::string text = query.value_or(name, "");
    if (text.empty()) return std::optional<oci::Platform>();
    if (!text.starts_with('{')) return oci::Platform::parse(text);
    HAKO_TRY(const auto json, with_context(parse_json(text), name));
    oci::Platform result;
    HAKO_TRY(result.os, json_field_or<std::string>(json, "os", "linux"));
    HAKO_TRY(result.architecture, json_field_or<std::string>(json, "architecture", ""));
    HAKO_TRY(result.variant, json_field_or<std::string>(json, "variant", ""));
    return oci::Platform::parse(result.text());
}

Result<Filters> filters(const http::Query& query, std::span<const std::string_view> known) {
    const std::string text = query.value_or("filters", "");
    if (text.empty()) return Filters();
    const auto json = parse_json(text);
    if (!json || !json->is_object())
        return fail(ErrorKind::invalid, "invalid filters: a JSON object of arrays is expected");
    Filters filters;
    for (const auto& [name, values] : json->items()) {
        if (std::ranges::find(known, name) == known.end())
            return fail(ErrorKind::invalid, "invalid filter '{}'", name);
        auto& list = filters[name];
        if (values.is_array() && std::ranges::all_of(values, &Json::is_string)) {
            list = values.get<std::vector<std::string>>();
        } else if (values.is_object() && std::ranges::all_of(values, &Json::is_boolean)) {
            for (const auto& [value, wanted] : values.items())
                if (wanted) list.push_back(value);
        } else {
            return fail(ErrorKind::invalid, "invalid filter '{}': an array of texts is expected",
                        name);
        }
    }
    return filters;
}

std::vector<std::string> values_of(const Filters& filters, const std::string& name) {
    const auto found = filters.find(name);
    return found == filters.end() ? std::vector<std::string>() : found->second;
}

Result<bool> boolean_filter(std::string_view name, std::string_view value) {
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return fail(ErrorKind::invalid, "invalid filter '{}={}': true or false is expected", name,
                value);
}

Result<Json> json_body(const http::Request& request, bool may_be_empty) {
    HAKO_TRY(const auto text, request.read_body());
    if (text.find_first_not_of(" \t\r\n") == std::string::npos && may_be_empty)
        return Json::object();
    auto json = with_context(parse_json(text), "the request's body is no JSON");
    if (json && !json->is_object())
        return fail(ErrorKind::invalid, "the request's body must be a JSON object");
    return json;
}

}  // namespace hako::dockerapi
