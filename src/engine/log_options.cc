#include "engine/log_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/units.h"

namespace hako::engine {
namespace {

// json-file grows without limit as Docker's does, local keeps 100 MB in five files.
constexpr runtime::LogLimits kLocalLimits{20'000'000, 5};
// Read only by those who are attached while it is written.
constexpr runtime::LogLimits kUnreadLimits{16 * kMiB, 2};
constexpr std::uint64_t kLeastBytes = 4000;
constexpr unsigned kMostFiles = 1000;

constexpr std::array<std::string_view, 10> kOptions{
    "max-size",  "max-file", "labels",   "labels-regex", "env",
    "env-regex", "tag",      "compress", "mode",         "max-buffer-size"};

// "10m", "1g": decimal, as Docker counts here.
Result<std::uint64_t> read_size(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    std::uint64_t factor = 1;
    if (unit == "k" || unit == "K" || unit == "kb") factor = 1000;
    else if (unit == "m" || unit == "M" || unit == "mb") factor = 1000'000;
    else if (unit == "g" || unit == "G" || unit == "gb") factor = 1000'000'000;
    else if (!unit.empty()) factor = 0;
    if (error != std::errc() || factor == 0 || number > 1'000'000'000'000 / factor ||
        number * factor < kLeastBytes)
        return fail(ErrorKind::invalid,
                    "LogConfig: invalid value for max-size: \"{}\": use 4k up to 1000g",
                    text.substr(0, 64));
    return number * factor;
}

Result<unsigned> read_count(const std::string& text) {
    unsigned count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > kMostFiles)
        return fail(ErrorKind::invalid,
                    "LogConfig: invalid value for max-file: \"{}\": use 1 to {}",
                    text.substr(0, 64), kMostFiles);
    return count;
}

std::vector<std::string> list_option(const HostConfig& config, const std::string& name) {
    std::vector<std::string> values;
    const auto found = config.log_options.find(name);
    if (found == config.log_options.end()) return values;
    std::string_view rest = found->second;
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        values.emplace_back(rest.substr(0, comma));
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
    return values;
}

}  // namespace

const std::vector<std::string>& log_drivers() {
    static const std::vector<std::string> kDrivers{"json-file", "local"};
    return kDrivers;
}

Result<runtime::LogLimits> log_limits(const HostConfig& config) {
    const std::string& driver = config.log_driver;
    if (driver == "none") return kUnreadLimits;
    if (!driver.empty() && std::ranges::find(log_drivers(), driver) == log_drivers().end())
        return fail(ErrorKind::invalid,
                    "LogConfig: the log driver \"{}\" is not offered: use json-file, local or none",
                    driver.substr(0, 64));
    for (const auto& [name, value] : config.log_options)
        if (std::ranges::find(kOptions, name) == kOptions.end())
            return fail(ErrorKind::invalid, "LogConfig: unknown log opt '{}' for {} log driver",
                        name.substr(0, 64), driver.empty() ? "json-file" : driver);
    runtime::LogLimits limits = driver == "local" ? kLocalLimits : runtime::LogLimits();
    if (const auto size = config.log_options.find("max-size"); size != config.log_options.end()) {
        HAKO_TRY(limits.max_bytes, read_size(size->second));
    }
    if (const auto count = config.log_options.find("max-file"); count != config.log_options.end()) {
        HAKO_TRY(limits.max_files, read_count(count->second));
    }
    if (limits.max_files > 1 && limits.max_bytes == 0)
        return fail(ErrorKind::invalid, "LogConfig: max-file needs max-size, which is not set");
    return limits;
}

Result<void> check_logs_readable(const HostConfig& config) {
    if (config.log_driver != "none") return {};
    return fail(ErrorKind::unimplemented, "configured logging driver does not support reading");
}

std::string log_details(const Container& container) {
    std::vector<std::string> pairs;
    for (const auto& name : list_option(container.host_config, "labels"))
        if (const auto label = container.config.labels.find(name);
            label != container.config.labels.end())
            pairs.push_back(name + "=" + label->second);
    for (const auto& name : list_option(container.host_config, "env"))
        for (const auto& variable : container.config.env)
            if (variable.starts_with(name + "=")) pairs.push_back(variable);
    std::ranges::sort(pairs);
    return pairs.empty() ? "" : fmt::format("{} ", fmt::join(pairs, ","));
}

}  // namespace hako::engine
