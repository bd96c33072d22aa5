// hako macos: macOS machines, and what they are made of
#include "cli/commands/macos.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "macos/models.h"
#include "macos/versions.h"

namespace hako::cli {

Result<bool> wants_json(const std::string& format) {
    if (format == "json") return true;
    if (format == "table") return false;
    return fail(ErrorKind::invalid, "format {} is not known: use table or json", format);
}

namespace {

Command models_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("models", "List the Macs that a machine can pose as");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("", 0, 0);
    command.action([format](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        Json list = Json::array();
        std::vector<Row> rows{{"MODEL", "BUILT", "BOARD"}};
        for (const auto& model : macos::all_models()) {
            rows.push_back({model.product, fmt::format("{}-{}", model.first_year, model.last_year),
                            model.board_ids.front()});
            list.push_back({{"product", model.product},
                            {"first_year", model.first_year},
                            {"last_year", model.last_year},
                            {"board_ids", model.board_ids}});
        }
        session.io.print(json ? dump_json(list) + "\n" : format_table(rows));
        return 0;
    });
    return command;
}

Command versions_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("versions", "List the releases of macOS that can be installed");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("", 0, 0);
    command.action([format](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        Json list = Json::array();
        std::vector<Row> rows{{"VERSION", "NAME", "NEEDS"}};
        for (const auto& version : macos::all_versions()) {
            rows.push_back(
                {version.number, version.name, version.needs_avx2 ? "a CPU with AVX2" : ""});
            list.push_back({{"version", version.number},
                            {"name", version.name},
                            {"slug", version.slug()},
                            {"needs_avx2", version.needs_avx2}});
        }
        session.io.print(json ? dump_json(list) + "\n" : format_table(rows));
        return 0;
    });
    return command;
}

}  // namespace

Command macos_command() {
    Command group("macos", "macOS machines");
    group.add(macos_run_command());
    group.add(macos_ls_command());
    group.add(start_command());
    group.add(stop_command());
    group.add(rm_command());
    group.add(inspect_command("macos"));
    group.add(logs_command());
    group.add(macos_console_command());
    group.add(macos_wait_command());
    group.add(macos_exec_command());
    group.add(macos_screenshot_command());
    group.add(macos_type_command());
    group.add(macos_key_command());
    group.add(macos_click_command());
    group.add(macos_snapshot_command());
    group.add(macos_snapshots_command());
    group.add(macos_restore_command());
    group.add(macos_forget_command());
    group.add(macos_resize_command());
    group.add(macos_identity_command());
    group.add(macos_disk_command());
    group.add(macos_fetch_command());
    group.add(macos_import_command());
    group.add(macos_prepare_command());
    group.add(macos_boot_command());
    group.add(macos_appliance_command());
    group.add(models_command());
    group.add(versions_command());
    return group;
}

}  // namespace hako::cli
