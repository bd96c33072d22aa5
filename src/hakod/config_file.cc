#include "hakod/config_file.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "oci/insecure.h"
#include "oci/reference.h"

namespace hako::hakod {
namespace {

using Strings = std::vector<std::string>;
using images::LayerLimits;
using oci::RegistryOptions;

constexpr std::int64_t kMostParallel = 64;
constexpr std::int64_t kMostFiles = 100'000'000;
constexpr std::int64_t kMostRatio = 1'000'000'000;

Result<Strings> strings(const Json& value) {
    if (!detail::JsonRead<Strings>::fits(value))
        return fail(ErrorKind::invalid, "it must be a list of texts");
    return value.get<Strings>();
}

Result<std::int64_t> count(const Json& value, std::int64_t most) {
    if (!detail::holds_integer(value, 1, most))
        return fail(ErrorKind::invalid, "it must be a number from 1 to {}", most);
    return value.get<std::int64_t>();
}

// 1073741824 or "1g".
Result<std::uint64_t> bytes(const Json& value) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    if (!value.is_string())
        return fail(ErrorKind::invalid, "it must be a size such as \"10g\", or a number of bytes");
    return parse_bytes(value.get<std::string>());
}

// A key whose value is a count, or a size, and goes into one field.
template <auto Part, auto Field, std::int64_t Most>
Result<void> read_count(const Json& value, Configuration& config) {
    HAKO_TRY(const auto number, count(value, Most));
    auto& field = config.*Part.*Field;
    field = static_cast<std::remove_reference_t<decltype(field)>>(number);
    return {};
}
template <auto Field>
Result<void> read_bytes(const Json& value, Configuration& config) {
    HAKO_TRY(config.layers.*Field, bytes(value));
    return {};
}

Result<void> read_flag(const Json& value, bool& flag) {
    if (!value.is_boolean()) return fail(ErrorKind::invalid, "it must be true or false");
    flag = value.get<bool>();
    return {};
}

Result<void> read_insecure(const Json& value, Configuration& config) {
    auto& list = config.registries.insecure;
    HAKO_TRY(list, strings(value));
    for (const auto& entry : list) HAKO_CHECK(oci::check_insecure(entry));
    return {};
}

Result<Strings> mirrors(const Json& value) {
    HAKO_TRY(auto urls, strings(value));
    for (const auto& url : urls) {
        const bool good = (url.starts_with("https://") || url.starts_with("http://")) &&
                          url.find_first_of("@?# ") == url.npos && !url.ends_with("://");
        if (!good)
            return fail(ErrorKind::invalid, "\"{}\" is no mirror; write https://host[:port][/path]",
                        url);
    }
    return urls;
}

// A list is for Docker Hub, as in Docker; an object names the registries.
Result<void> read_mirrors(const Json& value, Configuration& config) {
    auto& options = config.registries;
    if (!value.is_object()) {
        HAKO_TRY(options.mirrors[std::string(oci::kDefaultDomain)], mirrors(value));
        return {};
    }
    for (const auto& [domain, list] : value.items()) {
        HAKO_TRY(options.mirrors[domain], with_context(mirrors(list), domain));
    }
    return {};
}

struct Key {
    std::string_view name;
    Result<void> (*read)(const Json& value, Configuration& config);
};
constexpr auto kRegistries = &Configuration::registries;
constexpr auto kLayers = &Configuration::layers;
constexpr std::array kKeys{
    Key{"checkpoints",
        [](const Json& value, Configuration& config) {
            return read_flag(value, config.templates.checkpoints);
        }},
    Key{"insecure-registries", read_insecure},
    Key{"live-restore",
        [](const Json& value, Configuration& config) {
            return read_flag(value, config.live_restore);
        }},
    Key{"max-concurrent-downloads",
        read_count<kRegistries, &RegistryOptions::parallel_downloads, kMostParallel>},
    Key{"max-concurrent-uploads",
        read_count<kRegistries, &RegistryOptions::parallel_uploads, kMostParallel>},
    Key{"max-download-attempts",
        read_count<kRegistries, &RegistryOptions::attempts, kMostParallel>},
    Key{"max-layer-files", read_count<kLayers, &LayerLimits::max_entries, kMostFiles>},
    Key{"max-layer-ratio", read_count<kLayers, &LayerLimits::max_ratio, kMostRatio>},
    Key{"max-layer-size", read_bytes<&LayerLimits::max_bytes>},
    Key{"min-free-space", read_bytes<&LayerLimits::min_free>},
    Key{"registry-mirrors", read_mirrors},
    Key{"template-folder",
        [](const Json& value, Configuration& config) -> Result<void> {
            if (!value.is_string() || !value.get<std::string>().starts_with('/'))
                return fail(ErrorKind::invalid, "it must be a path from the root");
            config.templates.folder = value.get<std::string>();
            return {};
        }},
    Key{"template-space",
        [](const Json& value, Configuration& config) -> Result<void> {
            HAKO_TRY(config.templates.limit, bytes(value));
            return {};
        }},
    Key{"templates",
        [](const Json& value, Configuration& config) {
            return read_flag(value, config.templates.enabled);
        }},
    Key{"warm-pool",
        [](const Json& value, Configuration& config) -> Result<void> {
            if (!detail::holds_integer(value, 0, engine::kMostWarm))
                return fail(ErrorKind::invalid, "it must be a number from 0 to {}",
                            engine::kMostWarm);
            config.templates.warm_pool = value.get<unsigned>();
            return {};
        }},
};

std::string known_keys() {
    std::string text;
    for (const auto& key : kKeys) text += fmt::format("{}{}", text.empty() ? "" : ", ", key.name);
    return text;
}

}  // namespace

Result<Configuration> parse_config(std::string_view text) {
    HAKO_TRY(const auto document, parse_json(text));
    if (!document.is_object()) return fail(ErrorKind::invalid, "it is not a JSON object");
    Configuration config;
    for (const auto& [name, value] : document.items()) {
        const auto* key = std::ranges::find(kKeys, name, &Key::name);
        if (key == kKeys.end())
            return fail(ErrorKind::invalid, "unknown key \"{}\"; known are {}", name, known_keys());
        HAKO_CHECK(with_context(key->read(value, config), name));
    }
    return config;
}

}  // namespace hako::hakod
