#include "oci/device_rules.h"

#include <array>
#include <charconv>

namespace hako::oci {
namespace {

// Every node may be made; used may be the harmless ones and the container's terminals.
constexpr std::array<std::string_view, 11> kForAll = {
    "c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",   "c 1:8 rwm",
    "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm",
};

// "1", or "*" for any: -1.
Result<int> read_number(std::string_view text) {
    if (text == "*") return -1;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0)
        return fail(ErrorKind::invalid, "no number");
    return number;
}

Json all_devices(bool allow) { return {{"allow", allow}, {"type", "a"}, {"access", "rwm"}}; }

}  // namespace

Result<Json> parse_device_rule(std::string_view rule) {
    const auto wrong = [&] {
        return fail(ErrorKind::invalid,
                    "invalid device cgroup rule format: '{}': use one such as 'c 1:3 rwm'",
                    rule.substr(0, 64));
    };
    const auto colon = rule.find(':');
    const auto space = rule.find(' ', std::min(colon, rule.size()));
    if (rule.size() < 2 || rule[1] != ' ' || colon == std::string_view::npos || colon < 2 ||
        space == std::string_view::npos || std::string_view("abc").find(rule[0]) > 2)
        return wrong();
    const auto major = read_number(rule.substr(2, colon - 2));
    const auto minor = read_number(rule.substr(colon + 1, space - colon - 1));
    const auto access = rule.substr(space + 1);
    if (!major || !minor || access.empty() || access.size() > 3 ||
        access.find_first_not_of("rwm") != std::string_view::npos)
        return wrong();
    Json json{{"allow", true}, {"type", std::string(1, rule[0])}, {"access", std::string(access)}};
    if (*major >= 0) json["major"] = *major;
    if (*minor >= 0) json["minor"] = *minor;
    return json;
}

Result<Json> make_device_rules(bool privileged, const std::map<std::string, DeviceNode>& devices,
                               const std::vector<std::string>& more) {
    if (privileged) return Json::array({all_devices(true)});
    Json list = Json::array({all_devices(false)});
    const auto add = [&](std::string_view rule) -> Result<void> {
        HAKO_TRY(auto json, parse_device_rule(rule));
        list.push_back(std::move(json));
        return {};
    };
    for (const auto rule : kForAll) HAKO_CHECK(add(rule));
    for (const auto& [path, device] : devices)
        list.push_back({{"allow", true},
                        {"path", device.node},
                        {"access", device.permissions.empty() ? "rwm" : device.permissions}});
    for (const auto& rule : more) HAKO_CHECK(add(rule));
    return list;
}

}  // namespace hako::oci
