#include "cli/commands/filters.h"

#include "base/json.h"
#include "cli/flags/values.h"

namespace hako::cli {

Result<std::string> encode_filters(const std::vector<std::string>& filters) {
    Json encoded = Json::object();
    for (const auto& filter : filters) {
        if (filter.find('=') == std::string::npos)
            return fail(ErrorKind::invalid,
                        "invalid filter \"{}\": write NAME=VALUE, such as status=running", filter);
        auto [name, value] = split_pair(filter);
        encoded[name].push_back(value);
    }
    return encoded.empty() ? std::string() : dump_json(encoded);
}

}  // namespace hako::cli
