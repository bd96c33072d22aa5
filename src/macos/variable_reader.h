// Reads the variables that describe a machine, each by its kind.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/units.h"
#include "macos/settings.h"

namespace hako::macos {

// One variable after the other; the first fault stays.
class VariableReader {
public:
    explicit VariableReader(const Variables& variables) : variables_(variables) {}

    std::optional<std::string> text(const std::string& name) const {
        const auto found = variables_.find(name);
        if (found == variables_.end() || trim(found->second).empty()) return std::nullopt;
        return std::string(trim(found->second));
    }

    template <typename... Args>
    void refuse(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
        if (!fault)
            fault = Error(ErrorKind::invalid,
                          fmt::format("{}={}: {}", name, text(name).value_or(""),
                                      fmt::format(format, std::forward<Args>(args)...)));
    }

    // Without the value, which is a secret or long.
    void hide(const std::string& name, std::string_view why) {
        if (!fault) fault = Error(ErrorKind::invalid, fmt::format("{} {}", name, why));
    }

    void read(const std::string& name, bool& into) {
        const auto given = text(name);
        if (!given) return;
        const auto word = to_lower(*given);
        constexpr std::string_view kYes[] = {"y", "yes", "true", "1", "on", "enable", "enabled"};
        constexpr std::string_view kNo[] = {"n", "no",  "none",    "false",
                                            "0", "off", "disable", "disabled"};
        if (std::ranges::find(kYes, word) != std::end(kYes)) into = true;
        else if (std::ranges::find(kNo, word) != std::end(kNo)) into = false;
        else refuse(name, "write Y or N");
    }

    std::optional<std::uint64_t> number(const std::string& name, std::uint64_t least,
                                        std::uint64_t most) {
        const auto given = text(name);
        if (!given) return std::nullopt;
        std::uint64_t value = 0;
        const auto [end, error] =
            std::from_chars(given->data(), given->data() + given->size(), value);
        if (error == std::errc() && end == given->data() + given->size() && value >= least &&
            value <= most)
            return value;
        refuse(name, "write a number from {} to {}", least, most);
        return std::nullopt;
    }

    // Bytes, of plain numbers gigabytes as dockur has it; `all` is what max stands for.
    std::optional<std::uint64_t> bytes(const std::string& name, std::uint64_t least,
                                       std::uint64_t most,
                                       std::optional<std::uint64_t> all = std::nullopt) {
        const auto given = text(name);
        if (!given) return std::nullopt;
        const auto word = to_lower(*given);
        if (all && (word == "max" || word == "half")) return word == "max" ? *all : *all / 2;
        const bool plain = given->find_first_not_of("0123456789") == std::string::npos;
        auto value = parse_bytes(*given);
        if (value && plain && *value < kFewestBytes) value = *value * kGiB;
        if (value && *value >= least && *value <= most) return *value;
        refuse(name, "write a size from {}G to {}T, such as {}G{}", least / kGiB,
               most / (1024 * kGiB), 2 * least / kGiB, all ? ", or half or max" : "");
        return std::nullopt;
    }

    template <typename T>
    void choose(const std::string& name, const std::vector<std::pair<std::string_view, T>>& choices,
                T& into) {
        const auto given = text(name);
        if (!given) return;
        std::string known;
        for (const auto& [word, value] : choices) {
            if (word == to_lower(*given)) {
                into = value;
                return;
            }
            known += (known.empty() ? "" : ", ") + std::string(word);
        }
        refuse(name, "choose one of {}", known);
    }

    // Words for QEMU's own option syntax: nothing that begins another option.
    void read_word(const std::string& name, std::string_view more, std::string& into) {
        const auto given = text(name);
        if (!given) return;
        for (const char c : *given) {
            const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
            if (!plain && more.find(c) == std::string_view::npos)
                return refuse(name, "'{}' has no place in it", c);
        }
        into = *given;
    }

    std::optional<Error> fault;

private:
    // Plain numbers from here on are bytes.
    static constexpr std::uint64_t kFewestBytes = kMiB;

    const Variables& variables_;
};

}  // namespace hako::macos
