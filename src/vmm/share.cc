#include "vmm/share.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace hako::vmm {

Result<void> validate(const std::vector<Share>& shares) {
    std::set<std::string_view> names;
    for (const auto& share : shares) {
        if (share.name.empty() ||
            !std::ranges::all_of(share.name, [](unsigned char c) { return std::isalnum(c) != 0; }))
            return fail(ErrorKind::invalid, "'{}' cannot name a share", share.name);
        if (!names.insert(share.name).second)
            return fail(ErrorKind::invalid, "two shares are named {}", share.name);
        if (!share.source.is_absolute())
            return fail(ErrorKind::invalid, "the share's source '{}' is not an absolute path",
                        share.source.native());
    }
    return {};
}

Json to_json(const std::vector<Share>& shares) {
    Json list = Json::array();
    for (const auto& share : shares)
        list.push_back({{"name", share.name},
                        {"source", share.source.native()},
                        {"subpath", share.subpath},
                        {"read_only", share.read_only}});
    return list;
}

Result<std::vector<Share>> shares_from_json(const Json& list) {
    std::vector<Share> shares;
    for (const auto& json : list) {
        Share share;
        HAKO_TRY(share.name, json_field_or<std::string>(json, "name", {}));
        HAKO_TRY(share.source, json_field_or<std::string>(json, "source", {}));
        HAKO_TRY(share.subpath, json_field_or<std::string>(json, "subpath", {}));
        HAKO_TRY(share.read_only, json_field_or(json, "read_only", false));
        shares.push_back(std::move(share));
    }
    HAKO_CHECK(validate(shares));
    return shares;
}

}  // namespace hako::vmm
