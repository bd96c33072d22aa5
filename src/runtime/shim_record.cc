#include "runtime/shim_record.h"

#include "base/json.h"

namespace hako::runtime {
namespace {

Json identity_json(const ProcessIdentity& identity) {
    return {{"pid", identity.pid}, {"start_time", identity.start_time}};
}

Result<ProcessIdentity> identity_from_json(const Json& json) {
    ProcessIdentity identity;
    HAKO_TRY(identity.pid, json_field_or(json, "pid", identity.pid));
    HAKO_TRY(identity.start_time, json_field_or(json, "start_time", identity.start_time));
    return identity;
}

}  // namespace

Result<void> write_shim_record(const std::filesystem::path& path, const ShimRecord& record) {
    Json json{{"shim", identity_json(record.shim)}};
    if (record.qemu) json["qemu"] = identity_json(*record.qemu);
    return replace_file(path, dump_json(json), 0600);
}

Result<ShimRecord> read_shim_record(const std::filesystem::path& path) {
    HAKO_TRY(const auto text, read_file(path, 64U << 10U));
    HAKO_TRY(const auto json, with_context(parse_json(text), path.native()));
    ShimRecord record;
    HAKO_TRY(const auto shim, json_field_or(json, "shim", Json::object()));
    HAKO_TRY(record.shim, identity_from_json(shim));
    HAKO_TRY(const auto qemu, json_field<Json>(json, "qemu"));
    if (qemu) {
        HAKO_TRY(record.qemu, identity_from_json(*qemu));
    }
    return record;
}

}  // namespace hako::runtime
