#include "engine/log_options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <ranges>
#include <regex>

#include "base/units.h"

namespace hako::engine {
namespace {

// json-file grows without limit as Docker's does, local keeps 100 MB in five files.
constexpr runtime::LogLimits kLocalLimits{20'000'000, 5};
// Read only by those who are attached while it is written.
constexpr runtime::LogLimits kUnreadLimits{16 * kMiB, 2};
constexpr std::uint64_t kLeastBytes = 4000;
constexpr unsigned kMostFiles = 1000;

constexpr std::string_view kJournald = "journald";
constexpr std::array<std::string_view, 7> kOptions{
    "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size"};
constexpr std::array<std::string_view, 3> kFileOptions{"max-size", "max-file", "compress"};
constexpr std::string_view kDefaultTag = "{{.ID}}";
constexpr std::size_t kShortId = 12;

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

std::string option(const HostConfig& config, const std::string& name) {
    const auto found = config.log_options.find(name);
    return found == config.log_options.end() ? "" : found->second;
}

Result<std::regex> regex_option(const HostConfig& config, const std::string& name) {
    try {
        return std::regex(option(config, name));
    } catch (const std::regex_error& error) {
        return fail(ErrorKind::invalid, "LogConfig: invalid value for {}: {}", name, error.what());
    }
}

// The fields of Docker's templates for tags.
StringMap tag_fields(const Container& container) {
    const std::string& image = container.image_id;
    const std::string digest = image.substr(image.find(':') + 1);
    return {{"{{.ID}}", container.id.substr(0, kShortId)},
            {"{{.FullID}}", container.id},
            {"{{.Name}}", container.name},
            {"{{.ImageName}}", container.config.image},
            {"{{.ImageID}}", digest.substr(0, kShortId)},
            {"{{.ImageFullID}}", image},
            {"{{.DaemonName}}", "hako"}};
}

Result<std::string> make_tag(std::string text, const StringMap& fields) {
    for (const auto& [field, value] : fields)
        for (auto at = text.find(field); at != std::string::npos;
             at = text.find(field, at + value.size()))
            text.replace(at, field.size(), value);
    if (text.find("{{") != std::string::npos)
        return fail(ErrorKind::invalid,
                    "LogConfig: invalid value for tag: \"{}\": its fields are {}",
                    text.substr(0, 64), fmt::join(fields | std::views::keys, ", "));
    return text;
}

// What the options choose of the container, by name. They were checked.
StringMap log_attributes(const Container& container) {
    const HostConfig& config = container.host_config;
    StringMap chosen;
    const auto choose = [&](const std::string& kind, const std::string& name,
                            const std::string& value) {
        if (std::ranges::count(list_option(config, kind), name) != 0) chosen[name] = value;
        if (config.log_options.contains(kind + "-regex"))
            if (const auto regex = regex_option(config, kind + "-regex");
                regex && std::regex_search(name, *regex))
                chosen[name] = value;
    };
    for (const auto& [name, value] : container.config.labels) choose("labels", name, value);
    for (const auto& variable : container.config.env)
        if (const auto equals = variable.find('='); equals != std::string::npos)
            choose("env", variable.substr(0, equals), variable.substr(equals + 1));
    return chosen;
}

// As the journal wants names: "com.example/role" is COM_EXAMPLE_ROLE.
std::string journal_name(std::string_view name) {
    std::string result;
    for (const char c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0)
            result += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        else if (!result.empty()) result += '_';
    }
    return result;
}

// As Docker's driver names them.
Result<StringMap> journal_fields(const Container& container) {
    StringMap fields;
    for (const auto& [name, value] : log_attributes(container))
        if (auto upper = journal_name(name); !upper.empty()) fields[upper] = value;
    const auto tag = option(container.host_config, "tag");
    HAKO_TRY(fields["CONTAINER_TAG"],
             make_tag(tag.empty() ? std::string(kDefaultTag) : tag, tag_fields(container)));
    fields["SYSLOG_IDENTIFIER"] = fields["CONTAINER_TAG"];
    fields["CONTAINER_ID"] = container.id.substr(0, kShortId);
    fields["CONTAINER_ID_FULL"] = container.id;
    fields["CONTAINER_NAME"] = container.name;
    fields["IMAGE_NAME"] = container.config.image;
    return fields;
}

bool is_option(std::string_view name, std::string_view driver) {
    return std::ranges::count(kOptions, name) != 0 ||
           (driver != kJournald && std::ranges::count(kFileOptions, name) != 0);
}

}  // namespace

const std::vector<std::string>& log_drivers() {
    static const std::vector<std::string> kDrivers{"json-file", "local", std::string(kJournald)};
    return kDrivers;
}

Result<runtime::LogLimits> log_limits(const HostConfig& config) {
    const std::string& driver = config.log_driver;
    if (driver == "none") return kUnreadLimits;
    if (!driver.empty() && std::ranges::find(log_drivers(), driver) == log_drivers().end())
        return fail(ErrorKind::invalid,
                    "LogConfig: the log driver \"{}\" is not offered: use json-file, local, "
                    "journald or none",
                    driver.substr(0, 64));
    for (const auto& [name, value] : config.log_options)
        if (!is_option(name, driver))
            return fail(ErrorKind::invalid, "LogConfig: unknown log opt '{}' for {} log driver",
                        name.substr(0, 64), driver.empty() ? "json-file" : driver);
    for (const auto* name : {"labels-regex", "env-regex"}) HAKO_CHECK(regex_option(config, name));
    HAKO_CHECK(make_tag(option(config, "tag"), tag_fields({})));
    // Of what the journal keeps, hako keeps the newest to answer from.
    const bool is_bounded = driver == "local" || driver == kJournald;
    runtime::LogLimits limits = is_bounded ? kLocalLimits : runtime::LogLimits();
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

Result<runtime::OutputLog::Setup> log_setup(const Container& container, const Layout& layout,
                                            const std::filesystem::path& journal) {
    runtime::OutputLog::Setup setup{.file = layout.container_log(container.id)};
    HAKO_TRY(setup.limits, log_limits(container.host_config));
    if (container.host_config.log_driver != kJournald) return setup;
    if (!std::filesystem::is_socket(journal))
        return fail(ErrorKind::unavailable,
                    "failed to initialize logging driver: journald is not enabled on this host: {} "
                    "is missing; use --log-driver json-file",
                    journal.native());
    HAKO_TRY(setup.journal, journal_fields(container));
    return setup;
}

std::string log_details(const Container& container) {
    StringMap attributes = log_attributes(container);
    if (const auto tag = option(container.host_config, "tag"); !tag.empty())
        if (auto made = make_tag(tag, tag_fields(container))) attributes["tag"] = *std::move(made);
    std::vector<std::string> pairs;
    for (const auto& [name, value] : attributes) pairs.push_back(name + "=" + value);
    return pairs.empty() ? "" : fmt::format("{} ", fmt::join(pairs, ","));
}

}  // namespace hako::engine
