// hako system check
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

std::string text(const Json& object, const char* name) {
    return json_field_or<std::string>(object, name, "").value_or("");
}

Result<int> check(Session& session, bool repair) {
    http::Query query;
    if (repair) query.add("repair", "1");
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto report, api->hako_call("/system/check", query));
    HAKO_TRY(const auto findings, json_field_or(report, "Findings", Json::array()));
    for (const auto& finding : findings) {
        const auto remedy = text(finding, "Remedy");
        session.io.print_line(fmt::format("{}: {}{}", text(finding, "Subject"),
                                          text(finding, "Problem"),
                                          remedy.empty() ? "" : " - " + remedy));
    }
    const auto count = [&](const char* name) { return report.value(name, 0); };
    if (report.value("LeftoversSkipped", false))
        session.io.complain("Leftovers were not looked for, because a pull or a load goes on");
    session.io.print_line(fmt::format("Checked {} images, {} layers, {} blobs and {} views: {}",
                                      count("Images"), count("Layers"), count("Blobs"),
                                      count("Views"),
                                      findings.empty() ? "all is well"
                                      : repair         ? "repaired"
                                                       : "run with --repair"));
    return findings.empty() || repair ? 0 : 1;
}

}  // namespace

Command check_command() {
    auto repair = std::make_shared<bool>(false);
    Command command("check", "Check the images on disk: digests, layers, leftovers");
    command.flag("--repair", *repair, "Make anew what can be made, remove what is bad");
    command.arguments("", 0, 0);
    command.action([repair](Session& session, const auto&) { return check(session, *repair); });
    return command;
}

}  // namespace hako::cli
