// hako info and hako version
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/session.h"
#include "cli/template/template.h"
#include "cli/version.h"

namespace hako::cli {
namespace {

// "json", or a template over `value`; nothing for the format that people read.
Result<std::optional<std::string>> formatted(const std::string& format, const Json& value) {
    if (format.empty()) return std::optional<std::string>();
    if (format == "json") return std::optional(dump_json(value));
    HAKO_TRY(const auto parsed, Template::parse(format));
    HAKO_TRY(auto text, parsed.render(value));
    return std::optional(std::move(text));
}

std::string field(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? "" : go_text(*found);
}

std::string version_section(std::string_view title, const Json& part) {
    std::string text = fmt::format("{}:\n", title);
    for (const auto& [label, name] : {std::pair{"Version", "Version"},
                                      {"API version", "ApiVersion"},
                                      {"Minimum API", "MinAPIVersion"},
                                      {"Git commit", "GitCommit"},
                                      {"OS/Arch", "OsArch"},
                                      {"Kernel", "KernelVersion"}}) {
        if (const auto value = field(part, name); !value.empty())
            text += fmt::format(" {:<18} {}\n", std::string(label) + ":", value);
    }
    return text;
}

Result<int> version(Session& session, const std::string& format) {
    const auto connected = session.api();
    Json answer = {{"Client",
                    {{"Version", std::string(kVersion)},
                     {"ApiVersion", connected ? (*connected)->version() : std::string(kApiVersion)},
                     {"DefaultAPIVersion", std::string(kApiVersion)},
                     {"OsArch", std::string(kPlatform)}}}};
    std::optional<Error> unreachable;
    if (!connected) {
        unreachable = connected.error();
    } else {
        HAKO_TRY(auto server, (*connected)->get("/version"));
        server["OsArch"] = fmt::format("{}/{}", field(server, "Os"), field(server, "Arch"));
        answer["Server"] = std::move(server);
    }
    HAKO_TRY(const auto text, formatted(format, answer));
    if (text) {
        session.io.print_line(*text);
    } else {
        session.io.print(version_section("Client", answer["Client"]));
        if (answer.contains("Server"))
            session.io.print("\n" + version_section("Server", answer["Server"]));
    }
    if (unreachable) return fail(*std::move(unreachable));
    return 0;
}

Result<int> info(Session& session, const std::string& format) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto answer, api->get("/info"));
    HAKO_TRY(const auto text, formatted(format, answer));
    if (text) {
        session.io.print_line(*text);
        return 0;
    }
    std::string out;
    for (const auto& [label, name] : {std::pair{"Containers", "Containers"},
                                      {" Running", "ContainersRunning"},
                                      {" Paused", "ContainersPaused"},
                                      {" Stopped", "ContainersStopped"},
                                      {"Images", "Images"},
                                      {"Server Version", "ServerVersion"},
                                      {"Storage Driver", "Driver"},
                                      {"Default Runtime", "DefaultRuntime"},
                                      {"Kernel Version", "KernelVersion"},
                                      {"Operating System", "OperatingSystem"},
                                      {"OSType", "OSType"},
                                      {"Architecture", "Architecture"},
                                      {"CPUs", "NCPU"}}) {
        if (const auto value = field(answer, name); !value.empty())
            out += fmt::format("{}: {}\n", label, value);
    }
    HAKO_TRY(const auto memory, json_field_or<std::uint64_t>(answer, "MemTotal", 0));
    out += fmt::format("Total Memory: {:.4g}GiB\n",
                       static_cast<double>(memory) / static_cast<double>(kGiB));
    for (const auto& [label, name] :
         {std::pair{"Name", "Name"}, {"ID", "ID"}, {"Root Dir", "DockerRootDir"}}) {
        if (const auto value = field(answer, name); !value.empty())
            out += fmt::format("{}: {}\n", label, value);
    }
    // Pairs such as ["Accelerator", "kvm"], each an own line.
    HAKO_TRY(const auto status,
             json_field_or(answer, "DriverStatus", std::vector<std::vector<std::string>>()));
    for (const auto& pair : status)
        if (pair.size() == 2) out += fmt::format(" {}: {}\n", pair[0], pair[1]);
    HAKO_TRY(const auto warnings, json_field_or(answer, "Warnings", std::vector<std::string>()));
    session.io.print(out);
    for (const auto& warning : warnings) session.io.complain(warning);
    return 0;
}

}  // namespace

Command info_command() {
    auto format = std::make_shared<std::string>();
    Command command("info", "Display system-wide information");
    command.option("-f,--format", *format, "Format output: json, or a Go template");
    command.arguments("", 0, 0);
    command.action([format](Session& session, const auto&) { return info(session, *format); });
    return command;
}

Command version_command() {
    auto format = std::make_shared<std::string>();
    Command command("version", "Show the hako version information");
    command.option("-f,--format", *format, "Format output: json, or a Go template");
    command.arguments("", 0, 0);
    command.action([format](Session& session, const auto&) { return version(session, *format); });
    return command;
}

}  // namespace hako::cli
