// --network NAME, or name=NAME,alias=A,ip=1.2.3.4,...
#include <charconv>

#include "cli/flags/values.h"

namespace hako::cli {

Result<NetworkFlag> parse_network_flag(std::string_view text) {
    NetworkFlag flag{.endpoint = Json::object()};
    if (text.find('=') == std::string_view::npos) {
        flag.name = text;
        return flag;
    }
    for (std::string_view rest = text; !rest.empty();) {
        const auto comma = std::min(rest.find(','), rest.size());
        auto [key, value] = split_pair(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (key == "name") flag.name = value;
        else if (key == "alias") flag.endpoint["Aliases"].push_back(value);
        else if (key == "ip") flag.endpoint["IPAMConfig"]["IPv4Address"] = value;
        else if (key == "ip6") flag.endpoint["IPAMConfig"]["IPv6Address"] = value;
        else if (key == "mac-address") flag.endpoint["MacAddress"] = value;
        else if (key == "driver-opt") {
            auto [name, setting] = split_pair(value);
            flag.endpoint["DriverOpts"][name] = setting;
        } else if (key == "gw-priority") {
            int priority = 0;
            const auto* end = value.data() + value.size();
            if (std::from_chars(value.data(), end, priority).ptr != end || value.empty())
                return fail(ErrorKind::invalid, "gw-priority: \"{}\" is no number", value);
            flag.endpoint["GwPriority"] = priority;
        } else {
            return fail(ErrorKind::invalid,
                        "\"{}\" is not known: use name, alias, ip, ip6, mac-address, driver-opt "
                        "or gw-priority",
                        key.substr(0, 64));
        }
    }
    if (flag.name.empty()) return fail(ErrorKind::invalid, "name=NETWORK is missing");
    return flag;
}

}  // namespace hako::cli
