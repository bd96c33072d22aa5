// Files of the host that a guest sees. All shares of a machine are names in one shared file system
// (tag kShareTag), so that they take one device, however many they are.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::vmm {

constexpr std::string_view kShareTag = "hako";

struct Share {
    std::string name;              // letters and digits
    std::filesystem::path source;  // a folder, or one file
    // Below the source, which it does not leave, by links neither; empty: the source itself.
    std::string subpath = {};
    bool read_only = false;
};

Result<void> validate(const std::vector<Share>& shares);
Json to_json(const std::vector<Share>& shares);
Result<std::vector<Share>> shares_from_json(const Json& list);

}  // namespace hako::vmm
