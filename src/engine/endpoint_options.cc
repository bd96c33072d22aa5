#include "engine/endpoint_options.h"

#include <fmt/ranges.h>
#include <net/if.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/text.h"

namespace hako::engine {
namespace {

constexpr std::string_view kInterface = "com.docker.network.endpoint.ifname";
constexpr std::string_view kSysctls = "com.docker.network.endpoint.sysctls";
constexpr std::string_view kPlaceholder = "IFNAME";

std::string option(const Attachment& attachment, std::string_view name) {
    const auto& options = attachment.wanted.driver_options;
    const auto found = options.find(std::string(name));
    return found == options.end() ? std::string() : found->second;
}

// What Linux takes for the name of an interface.
Result<void> check_interface(const std::string& name) {
    const auto is_odd = [](unsigned char c) { return c == '/' || c == ':' || !std::isgraph(c); };
    if (name.size() < IFNAMSIZ && name != "." && name != ".." && name != "lo" &&
        std::ranges::none_of(name, is_odd))
        return {};
    return fail(ErrorKind::invalid,
                "{}: \"{}\" cannot be the name of an interface: at most 15 characters, without "
                "blanks, slashes and colons, and not \"lo\"",
                kInterface, name);
}

struct Sysctl {
    std::string path, value;
};

// "net.ipv4.conf.IFNAME.log_martians=1", of an interface that has this name.
Result<Sysctl> parse_sysctl(std::string_view text, std::string_view name) {
    const auto equals = text.find('=');
    auto words = split(text.substr(0, equals), '.');
    const auto is_odd = [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; };
    if (equals == std::string_view::npos || words.size() != 5 || words[0] != "net" ||
        words[3] != kPlaceholder || std::ranges::any_of(words, [&](std::string_view word) {
            return word.empty() || std::ranges::any_of(word, is_odd);
        }))
        return fail(ErrorKind::invalid,
                    "{}: \"{}\" is no setting of an interface such as "
                    "net.ipv4.conf.IFNAME.log_martians=1",
                    kSysctls, text);
    words[3] = name;
    return Sysctl{fmt::format("{}", fmt::join(words, "/")), std::string(text.substr(equals + 1))};
}

Result<std::map<std::string, std::string>> parse_sysctls(const Attachment& attachment) {
    std::map<std::string, std::string> sysctls;
    const std::string text = option(attachment, kSysctls);
    if (text.empty()) return sysctls;
    for (const std::string_view part : split(text, ',')) {
        HAKO_TRY(auto sysctl, parse_sysctl(part, attachment.interface));
        sysctls[std::move(sysctl.path)] = std::move(sysctl.value);
    }
    return sysctls;
}

}  // namespace

Result<void> check_endpoint_options(const Attachment& attachment,
                                    const std::vector<Attachment>& others) {
    HAKO_CHECK(parse_sysctls(attachment));
    const std::string name = option(attachment, kInterface);
    HAKO_CHECK(check_interface(name));
    for (const Attachment& other : others)
        if (!name.empty() && (option(other, kInterface) == name || other.interface == name))
            return fail(ErrorKind::invalid, "{}: the interface on the network {} is called {}, too",
                        kInterface, other.network_name, name);
    return {};
}

std::string interface_name(const Attachment& attachment, const std::vector<Attachment>& others) {
    if (auto wanted = option(attachment, kInterface); !wanted.empty()) return wanted;
    for (unsigned number = 0;; ++number) {
        auto name = fmt::format("eth{}", number);
        if (std::ranges::none_of(others, [&](const Attachment& other) {
                return other.interface == name || option(other, kInterface) == name;
            }))
            return name;
    }
}

std::map<std::string, std::string> interface_sysctls(const Attachment& attachment) {
    // What a daemon before this one stored unseen is as if it were not there.
    auto sysctls = parse_sysctls(attachment);
    return sysctls ? *std::move(sysctls) : std::map<std::string, std::string>();
}

}  // namespace hako::engine
