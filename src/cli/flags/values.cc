#include "cli/flags/values.h"

#include <charconv>
#include <cmath>

#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/host.h"

namespace hako::cli {
namespace {

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number{};
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || at != end || text.empty()) return std::nullopt;
    return number;
}

}  // namespace

Result<std::optional<std::string>> parse_environment(const std::string& text) {
    if (text.empty() || text.front() == '=')
        return fail(ErrorKind::invalid, "invalid environment variable: {}", text);
    if (text.find('=') != std::string::npos) return std::optional(text);
    // An empty variable is set, so environment() does not do.
    const char* value = std::getenv(text.c_str());
    if (value == nullptr) return std::optional<std::string>();
    return std::optional(text + "=" + value);
}

Result<std::vector<std::string>> read_environment_file(const std::string& path) {
    HAKO_TRY(const auto text, read_file(path));
    std::string_view rest = text;
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
    std::vector<std::string> entries;
    std::size_t number = 0;
    for (auto line : split(rest, '\n')) {
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const auto start = line.find_first_not_of(" \t");
        if (start == std::string_view::npos) continue;
        line.remove_prefix(start);
        if (line.front() == '#') continue;
        const auto name = line.substr(0, line.find('='));
        if (name.empty())
            return fail(ErrorKind::invalid, "{} line {}: no variable name on line '{}'", path,
                        number, line);
        if (name.find_first_of(" \t") != std::string_view::npos)
            return fail(ErrorKind::invalid, "{} line {}: variable '{}' contains whitespaces", path,
                        number, name);
        if (line.find('\0') != std::string_view::npos)
            return fail(ErrorKind::invalid, "{} line {}: variable '{}' holds a NUL byte", path,
                        number, name);
        HAKO_TRY(auto entry, parse_environment(std::string(line)));
        if (entry) entries.push_back(*std::move(entry));
    }
    return entries;
}

std::pair<std::string, std::string> split_pair(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return {std::string(text), ""};
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

Result<Json> parse_pairs(const std::vector<std::string>& pairs) {
    Json object = Json::object();
    for (const auto& pair : pairs) {
        auto [key, value] = split_pair(pair);
        if (key.empty()) return fail(ErrorKind::invalid, "write KEY=VALUE, not \"{}\"", pair);
        object[std::move(key)] = std::move(value);
    }
    return object;
}

Result<Json> parse_ulimit(std::string_view text) {
    const auto [name, limits] = split_pair(text);
    const auto parts = split(limits, ':');
    const auto soft = parse_number<std::int64_t>(parts.front());
    const auto hard = parse_number<std::int64_t>(parts.back());
    if (name.empty() || !soft || !hard || parts.size() > 2)
        return fail(ErrorKind::invalid, "write NAME=SOFT[:HARD], such as nofile=1024:2048");
    if (*hard != -1 && (*soft == -1 || *soft > *hard))
        return fail(ErrorKind::invalid, "the soft limit {} is above the hard limit {}", *soft,
                    *hard);
    return Json{{"Name", name}, {"Soft", *soft}, {"Hard", *hard}};
}

Result<std::int64_t> parse_cpus(std::string_view text) {
    constexpr double kNano = 1e9;
    constexpr double kMost = 1e6;
    const auto number = parse_number<double>(text);
    if (!number || !std::isfinite(*number) || *number < 0 || *number > kMost)
        return fail(ErrorKind::invalid, "it is not a number of CPUs, such as 1.5");
    return std::llround(*number * kNano);
}

Result<Json> parse_restart_policy(std::string_view text) {
    const auto colon = text.find(':');
    Json policy = {{"Name", std::string(text.substr(0, colon))}};
    if (colon != std::string_view::npos) {
        const auto count = parse_number<int>(text.substr(colon + 1));
        if (!count || *count < 0)
            return fail(ErrorKind::invalid, "maximum retry count must be a whole number");
        policy["MaximumRetryCount"] = *count;
    }
    return policy;
}

Result<Json> parse_device(std::string_view text) {
    const auto parts = split(text, ':');
    const auto is_mode = [](std::string_view part) {
        return !part.empty() && part.find_first_not_of("rwm") == std::string_view::npos;
    };
    if (parts.front().empty() || parts.size() > 3 || (parts.size() == 3 && !is_mode(parts[2])))
        return fail(ErrorKind::invalid, "write HOST[:CONTAINER[:rwm]]");
    std::string target(parts[0]);
    std::string mode = parts.size() == 3 ? std::string(parts[2]) : "rwm";
    if (parts.size() == 2 && is_mode(parts[1])) mode = parts[1];
    else if (parts.size() > 1) target = parts[1];
    return Json{{"PathOnHost", std::string(parts[0])},
                {"PathInContainer", target},
                {"CgroupPermissions", mode}};
}

Result<std::string> parse_security_option(const std::string& text) {
    const auto [name, value] = split_pair(text);
    if (name != "seccomp" || value == "unconfined" || value == "builtin" || value.empty())
        return text;
    HAKO_TRY(const auto profile, read_file(value));
    HAKO_TRY(const auto parsed, with_context(parse_json(profile), value));
    return "seccomp=" + dump_json(parsed);
}

}  // namespace hako::cli
