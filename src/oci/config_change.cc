#include "oci/config_change.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/units.h"

namespace hako::oci {
namespace {

using Strings = std::vector<std::string>;

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return result;
}

// "first rest" in two.
std::pair<std::string_view, std::string_view> split_first(std::string_view text) {
    const auto end = std::ranges::find_if(text, is_space) - text.begin();
    return {text.substr(0, static_cast<std::size_t>(end)),
            trim(text.substr(static_cast<std::size_t>(end)))};
}

// Words with a shell's quotes and backslashes.
Result<Strings> split_words(std::string_view text) {
    Strings words;
    bool in_word = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == 0 && is_space(c)) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (c == quote) quote = 0;
        else if (quote == 0 && (c == '"' || c == '\'')) quote = c;
        else if (c == '\\' && quote != '\'' && i + 1 < text.size()) words.back() += text[++i];
        else words.back() += c;
    }
    if (quote != 0) return fail(ErrorKind::invalid, "a quote is not closed");
    return words;
}

// ["a", "b"] as it is; anything else is nothing.
std::optional<Strings> json_list(std::string_view text) {
    if (!text.starts_with('[')) return std::nullopt;
    const auto json = parse_json(text);
    if (!json || !json->is_array() || !std::ranges::all_of(*json, &Json::is_string))
        return std::nullopt;
    return json->get<Strings>();
}

// A command in JSON, or a line for the shell.
Strings command(std::string_view text) {
    return json_list(text).value_or(Strings{"/bin/sh", "-c", std::string(text)});
}

Result<Strings> list(std::string_view text) {
    if (auto items = json_list(text)) return *std::move(items);
    return split_words(text);
}

// "A=1 B='x y'", or of old "A 1".
Result<std::vector<std::pair<std::string, std::string>>> pairs(std::string_view text) {
    const auto [first, rest] = split_first(text);
    std::vector<std::pair<std::string, std::string>> result;
    if (first.find('=') == std::string_view::npos) {
        if (rest.empty()) return fail(ErrorKind::invalid, "write NAME=VALUE");
        result.emplace_back(first, rest);
        return result;
    }
    HAKO_TRY(const auto words, split_words(text));
    for (const auto& word : words) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(ErrorKind::invalid, "\"{}\" is not NAME=VALUE", word);
        result.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return result;
}

Json& object_in(Json& config, const char* name) {
    auto& field = config[name];
    if (!field.is_object()) field = Json::object();
    return field;
}

Result<void> change_environment(Json& config, std::string_view text) {
    HAKO_TRY(const auto variables, pairs(text));
    auto& list = config["Env"];
    if (!list.is_array()) list = Json::array();
    for (const auto& [name, value] : variables) {
        const auto same = std::ranges::find_if(list, [&](const Json& item) {
            return item.is_string() && item.get<std::string>().starts_with(name + "=");
        });
        if (same != list.end()) *same = name + "=" + value;
        else list.push_back(name + "=" + value);
    }
    return {};
}

Result<void> change_labels(Json& config, std::string_view text) {
    HAKO_TRY(const auto labels, pairs(text));
    for (const auto& [name, value] : labels) object_in(config, "Labels")[name] = value;
    return {};
}

Result<void> change_ports(Json& config, std::string_view text) {
    HAKO_TRY(const auto ports, split_words(text));
    for (const auto& port : ports) {
        const auto slash = std::min(port.find('/'), port.size());
        const auto digits = std::string_view(port).substr(0, slash);
        const auto protocol = slash < port.size() ? port.substr(slash + 1) : "tcp";
        const bool numeric =
            !digits.empty() && digits.size() <= 5 &&
            std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
        if (!numeric || (protocol != "tcp" && protocol != "udp" && protocol != "sctp"))
            return fail(ErrorKind::invalid, "\"{}\" is no port such as 80/tcp", port);
        object_in(config, "ExposedPorts")[fmt::format("{}/{}", digits, protocol)] = Json::object();
    }
    return {};
}

Result<void> change_volumes(Json& config, std::string_view text) {
    HAKO_TRY(const auto paths, list(text));
    for (const auto& path : paths) {
        if (path.empty()) return fail(ErrorKind::invalid, "a volume has no path");
        object_in(config, "Volumes")[path] = Json::object();
    }
    return {};
}

// A relative path continues the one before.
Result<void> change_folder(Json& config, std::string_view text) {
    HAKO_TRY(const auto before, json_field_or<std::string>(config, "WorkingDir", "/"));
    config["WorkingDir"] =
        (std::filesystem::path("/") / before / std::string(text)).lexically_normal().string();
    return {};
}

// "[--interval=30s] ... CMD command" or "NONE".
Result<void> change_health_check(Json& config, std::string_view text) {
    Json check = Json::object();
    auto [word, rest] = split_first(text);
    for (; word.starts_with("--"); std::tie(word, rest) = split_first(rest)) {
        const auto equals = std::min(word.find('='), word.size());
        const auto name = word.substr(2, equals - 2);
        const auto value = word.substr(std::min(equals + 1, word.size()));
        if (name == "retries") {
            const auto retries = parse_json(value);
            if (!retries || !retries->is_number_unsigned())
                return fail(ErrorKind::invalid, "--retries takes a number");
            check["Retries"] = *retries;
            continue;
        }
        using Names = std::pair<std::string_view, const char*>;
        constexpr std::array<Names, 4> kTimes{{{"interval", "Interval"},
                                               {"timeout", "Timeout"},
                                               {"start-period", "StartPeriod"},
                                               {"start-interval", "StartInterval"}}};
        const auto known = std::ranges::find(kTimes, name, &Names::first);
        if (known == kTimes.end()) return fail(ErrorKind::invalid, "{} is not known", word);
        HAKO_TRY(const auto duration, parse_duration(value));
        check[known->second] = duration.count();
    }
    if (upper(word) == "NONE" && rest.empty()) {
        check["Test"] = Json::array({"NONE"});
    } else if (upper(word) == "CMD" && !rest.empty()) {
        Strings test{"CMD-SHELL", std::string(rest)};
        if (auto items = json_list(rest)) {
            test = {"CMD"};
            std::ranges::move(*items, std::back_inserter(test));
        }
        check["Test"] = std::move(test);
    } else {
        return fail(ErrorKind::invalid, "write NONE, or CMD and a command");
    }
    config["Healthcheck"] = std::move(check);
    return {};
}

Result<void> apply(Json& config, std::string_view name, std::string_view value) {
    if (name == "ENV") return change_environment(config, value);
    if (name == "LABEL") return change_labels(config, value);
    if (name == "EXPOSE") return change_ports(config, value);
    if (name == "VOLUME") return change_volumes(config, value);
    if (name == "WORKDIR") return change_folder(config, value);
    if (name == "HEALTHCHECK") return change_health_check(config, value);
    if (name == "CMD") config["Cmd"] = command(value);
    else if (name == "ENTRYPOINT") config["Entrypoint"] = command(value);
    else if (name == "USER") config["User"] = value;
    else if (name == "STOPSIGNAL") config["StopSignal"] = value;
    else if (name == "ONBUILD") config["OnBuild"].push_back(value);
    else return fail(ErrorKind::invalid, "this instruction cannot change an image");
    return {};
}

}  // namespace

Result<void> apply_change(Json& config, std::string_view instruction) {
    const auto [name, value] = split_first(trim(instruction));
    if (value.empty())
        return fail(ErrorKind::invalid,
                    "change \"{}\": write an instruction and its value, as in "
                    "ENV NAME=VALUE",
                    instruction);
    return with_context(apply(config, upper(name), value),
                        fmt::format("change \"{}\"", instruction));
}

}  // namespace hako::oci
