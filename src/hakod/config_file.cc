#include "hakod/config_file.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "oci/insecure.h"
#include "oci/reference.h"

namespace hako::hakod {
namespace {

using Strings = std::vector<std::string>;
using oci::RegistryOptions;

constexpr std::int64_t kMostParallel = 64;

Result<Strings> strings(const Json& value) {
    if (!detail::JsonRead<Strings>::fits(value))
        return fail(ErrorKind::invalid, "it must be a list of texts");
    return value.get<Strings>();
}

Result<std::int64_t> count(const Json& value) {
    if (!detail::holds_integer(value, 1, kMostParallel))
        return fail(ErrorKind::invalid, "it must be a number from 1 to {}", kMostParallel);
    return value.get<std::int64_t>();
}

Result<void> read_insecure(const Json& value, RegistryOptions& options) {
    HAKO_TRY(options.insecure, strings(value));
    for (const auto& entry : options.insecure) HAKO_CHECK(oci::check_insecure(entry));
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
Result<void> read_mirrors(const Json& value, RegistryOptions& options) {
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
    Result<void> (*read)(const Json& value, RegistryOptions& options);
};
constexpr std::array kKeys{
    Key{"insecure-registries", read_insecure},
    Key{"max-concurrent-downloads",
        [](const Json& value, RegistryOptions& options) -> Result<void> {
            HAKO_TRY(options.parallel_downloads, count(value));
            return {};
        }},
    Key{"max-concurrent-uploads",
        [](const Json& value, RegistryOptions& options) -> Result<void> {
            HAKO_TRY(options.parallel_uploads, count(value));
            return {};
        }},
    Key{"max-download-attempts",
        [](const Json& value, RegistryOptions& options) -> Result<void> {
            HAKO_TRY(const auto number, count(value));
            options.attempts = static_cast<int>(number);
            return {};
        }},
    Key{"registry-mirrors", read_mirrors},
};

std::string known_keys() {
    std::string text;
    for (const auto& key : kKeys) text += fmt::format("{}{}", text.empty() ? "" : ", ", key.name);
    return text;
}

}  // namespace

Result<RegistryOptions> parse_config(std::string_view text) {
    HAKO_TRY(const auto document, parse_json(text));
    if (!document.is_object()) return fail(ErrorKind::invalid, "it is not a JSON object");
    RegistryOptions options;
    for (const auto& [name, value] : document.items()) {
        const auto* key = std::ranges::find(kKeys, name, &Key::name);
        if (key == kKeys.end())
            return fail(ErrorKind::invalid, "unknown key \"{}\"; known are {}", name, known_keys());
        HAKO_CHECK(with_context(key->read(value, options), name));
    }
    return options;
}

}  // namespace hako::hakod
