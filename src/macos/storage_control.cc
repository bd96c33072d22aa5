#include "macos/storage_control.h"

#include "macos/disk_image.h"
#include "macos/prepare.h"
#include "macos/snapshots.h"

namespace hako::macos {
namespace {

Json to_json(const Snapshot& snapshot) {
    return {{"name", snapshot.name},
            {"taken", format_time(snapshot.taken)},
            {"memory", snapshot.has_memory},
            {"bytes", snapshot.bytes}};
}

}  // namespace

Result<Growth> read_growth(const Json& arguments) {
    HAKO_TRY(const auto disk, json_field_or(arguments, "disk", 1U));
    Growth growth;
    HAKO_TRY(growth.bytes, json_field_or<std::uint64_t>(arguments, "bytes", 0));
    if (disk < 1 || disk > kMostDisks)
        return fail(ErrorKind::invalid, "a machine has disks 1 to {}, not {}", kMostDisks, disk);
    growth.bytes = growth.bytes / kMiB * kMiB;
    if (growth.bytes == 0)
        return fail(ErrorKind::invalid, "name the disk's new size, such as 128G");
    growth.disk = disk == 1 ? "data" : fmt::format("data{}", disk);
    return growth;
}

Result<std::optional<Json>> control_snapshots(const std::filesystem::path& folder,
                                              std::string_view verb, const Json& arguments) {
    if (verb == "snapshots") {
        HAKO_TRY(const auto snapshots, list_snapshots(folder));
        Json list = Json::array();
        for (const auto& snapshot : snapshots) list.push_back(to_json(snapshot));
        return list;
    }
    if (verb != "forget") return std::nullopt;
    HAKO_TRY(const auto name, json_field_or<std::string>(arguments, "name", {}));
    HAKO_CHECK(remove_snapshot(folder, name));
    return Json();
}

Result<Json> control_storage(const std::filesystem::path& storage, const MacSettings& settings,
                             std::string_view verb, const Json& arguments) {
    const auto folder = storage / settings.version.number;
    std::error_code error;
    if (!std::filesystem::exists(folder, error))
        return fail(ErrorKind::conflict, "the machine has no disks yet: start it once");
    HAKO_TRY([[maybe_unused]] const auto lock, lock_storage(storage, ""));
    HAKO_CHECK(finish_restore(folder));
    HAKO_TRY(auto done, control_snapshots(folder, verb, arguments));
    if (done) return *std::move(done);
    HAKO_TRY(const auto name, json_field_or<std::string>(arguments, "name", {}));
    if (verb == "snapshot") {
        HAKO_CHECK(take_snapshot(folder, name));
        return Json();
    }
    if (verb == "restore") {
        HAKO_TRY(const bool disk_only, json_field_or(arguments, "disk_only", false));
        HAKO_CHECK(restore_snapshot(folder, name, !disk_only));
        return Json();
    }
    if (verb == "resize") {
        HAKO_TRY(const auto growth, read_growth(arguments));
        HAKO_CHECK(grow_disk(folder, growth.disk, settings.disk_format, growth.bytes));
        return Json();
    }
    return fail(ErrorKind::conflict, "the machine does not run: start it first");
}

}  // namespace hako::macos
