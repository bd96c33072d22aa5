#include "runtime/exit_record.h"

#include "base/fd.h"
#include "base/json.h"

namespace hako::runtime {

Result<void> write_exit_record(const std::filesystem::path& path, const ExitRecord& record) {
    const Json json{{"exit_code", record.code},
                    {"oom_killed", record.oom_killed},
                    {"exited_at", format_time(record.exited_at)},
                    {"reason", record.reason}};
    return replace_file(path, dump_json(json), 0600);
}

Result<std::optional<ExitRecord>> read_exit_record(const std::filesystem::path& path) {
    const auto text = read_file(path, kMiB);
    if (!text && text.error().kind() == ErrorKind::not_found) return std::nullopt;
    if (!text) return fail(text.error());
    HAKO_TRY(const auto json, with_context(parse_json(*text), path.native()));
    ExitRecord record;
    HAKO_TRY(record.code, json_field_or(json, "exit_code", 0));
    HAKO_TRY(record.oom_killed, json_field_or(json, "oom_killed", false));
    HAKO_TRY(record.reason, json_field_or<std::string>(json, "reason", {}));
    HAKO_TRY(const auto exited_at, json_field_or<std::string>(json, "exited_at", {}));
    HAKO_TRY(record.exited_at, parse_time(exited_at));
    return record;
}

}  // namespace hako::runtime
