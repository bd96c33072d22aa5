// hako macos appliance: an image that turns a machine into a Mac
#include "appliance/build/build.h"
#include "base/paths.h"
#include "cli/commands/macos.h"
#include "cli/commands/macos_opencore.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct ApplianceFlags {
    std::string output;
    std::vector<std::string> variables;
    OpenCoreFlags opencore;
    std::string identity, custom_config, recovery;
    std::string kernel = "/";
};

Result<macos::Identity> choose_identity(const std::string& file,
                                        const macos::Variables& variables) {
    if (!file.empty()) return read_mac_identity(file);
    HAKO_TRY(const auto parsed, macos::parse_settings(variables, macos::host_size()));
    return macos::make_identity(parsed.settings.identity, macos::system_draw());
}

Result<int> build_appliance(Session& session, const ApplianceFlags& flags) {
    if (flags.output.empty()) return fail(ErrorKind::invalid, "name the image with --output");
    appliance::BuildRequest request{.kernel = flags.kernel};
    HAKO_TRY(request.settings.variables, read_variables(flags.variables));
    HAKO_TRY(request.settings.identity,
             choose_identity(flags.identity, request.settings.variables));
    auto named = request.settings.variables;
    HAKO_CHECK(flags.opencore.add_to(named));
    HAKO_TRY(request.opencore, find_opencore(session, named));
    if (!flags.custom_config.empty()) request.custom_config = flags.custom_config;
    if (!flags.recovery.empty()) request.recovery = flags.recovery;
    HAKO_TRY(const auto installation, Installation::find());
    HAKO_TRY(const auto warnings, appliance::build_appliance(request, installation, flags.output));
    for (const auto& warning : warnings) session.io.complain("hako: warning: " + warning);
    session.io.print_line(flags.output);
    return 0;
}

Command build_command() {
    auto flags = std::make_shared<ApplianceFlags>();
    Command command("build", "Write the image, from this host's packages and an OpenCore release");
    command.option("-o,--output", flags->output, "Image to write (raw)")
        .completes(Completes::files)
        .option("--identity", flags->identity, "File with the identity of the Mac (default: drawn)")
        .completes(Completes::files)
        .option("-e,--env", flags->variables, "Setting, as VERSION=14 or DEVICE=/dev/sdb")
        .option("--config", flags->custom_config, "Own config.plist, taken as it is")
        .completes(Completes::files)
        .option("--recovery", flags->recovery, "Recovery system (.dmg) to install macOS from")
        .completes(Completes::files)
        .option("--kernel", flags->kernel,
                "Linux kernel: the .deb of one, or a folder with boot and lib/modules (default /)")
        .completes(Completes::files)
        .arguments("", 0, 0);
    flags->opencore.declare(command);
    command.action(
        [flags](Session& session, const auto&) { return build_appliance(session, *flags); });
    return command;
}

}  // namespace

Command macos_appliance_command() {
    Command group("appliance", "An image that boots macOS on any machine's second disk");
    group.add(build_command());
    return group;
}

}  // namespace hako::cli
