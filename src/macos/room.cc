#include "macos/room.h"

#include <algorithm>

#include "base/json.h"
#include "macos/disk_image.h"

namespace hako::macos {
namespace {

// The names of QEMU's disks that the host had no room for.
Result<std::vector<std::string>> starved_nodes(vmm::QmpClient& qmp) {
    HAKO_TRY(const auto blocks, qmp.execute("query-block"));
    std::vector<std::string> names;
    for (const auto& block : blocks) {
        HAKO_TRY(const auto status, json_field_or<std::string>(block, "io-status", {}));
        if (status != "nospace") continue;
        HAKO_TRY(const auto inserted, json_field_or(block, "inserted", Json::object()));
        HAKO_TRY(auto name, json_field_or<std::string>(inserted, "node-name", {}));
        names.push_back(std::move(name));
    }
    return names;
}

bool has_room(const std::filesystem::path& file) {
    std::error_code error;
    const auto space = std::filesystem::space(file, error);
    return !error && space.available >= kRoomToGoOn;
}

}  // namespace

Result<bool> wants_room(vmm::QmpClient& qmp) {
    HAKO_TRY(const auto state, qmp.query_status());
    return state == "io-error";
}

Result<std::optional<std::filesystem::path>> full_disk(vmm::QmpClient& qmp,
                                                       const std::vector<DiskFile>& disks) {
    HAKO_TRY(const auto starved, starved_nodes(qmp));
    for (std::size_t i = 0; i < disks.size(); ++i)
        if (std::ranges::find(starved, disk_name(i)) != starved.end() && !has_room(disks[i].path))
            return disks[i].path;
    return std::nullopt;
}

std::string say_full(const std::filesystem::path& disk) {
    return fmt::format(
        "macOS is paused: the host's disk with {} is full. Free {} MiB there, and it goes on by "
        "itself",
        disk.native(), kRoomToGoOn / kMiB);
}

}  // namespace hako::macos
