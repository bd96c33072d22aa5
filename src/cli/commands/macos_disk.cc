// hako macos disk: the disk from which a macOS machine boots
#include <charconv>

#include "base/fd.h"
#include "base/json.h"
#include "cli/commands/macos.h"
#include "cli/commands/macos_opencore.h"
#include "cli/session.h"
#include "macos/boot_disk.h"

namespace hako::cli {
namespace {

struct DiskFlags {
    std::string output;
    OpenCoreFlags opencore;
    std::string identity;
    std::string resolution = "1920x1080";
    std::string custom_config;
    std::optional<std::string> boot_arguments;
    bool picker = false;
};

Result<void> parse_resolution(const std::string& text, macos::OpenCoreSettings& settings) {
    const char* end = text.data() + text.size();
    const auto width = std::from_chars(text.data(), end, settings.width);
    const bool crossed = width.ec == std::errc() && width.ptr != end && *width.ptr == 'x';
    const auto height = std::from_chars(crossed ? width.ptr + 1 : end, end, settings.height);
    if (!crossed || height.ec != std::errc() || height.ptr != end)
        return fail(ErrorKind::invalid, "the resolution \"{}\" is none: write it as 1920x1080",
                    text);
    return {};
}

Result<int> make(Session& session, const DiskFlags& flags) {
    if (flags.output.empty() || flags.identity.empty())
        return fail(ErrorKind::invalid,
                    "name the disk with --output, and a Mac with --identity (a file as `hako macos "
                    "identity generate --format json` prints it)");
    macos::BootDiskSpec spec;
    HAKO_TRY(spec.settings.identity, read_mac_identity(flags.identity));
    HAKO_CHECK(parse_resolution(flags.resolution, spec.settings));
    spec.settings.show_picker = flags.picker;
    if (flags.boot_arguments) spec.settings.boot_arguments = *flags.boot_arguments;
    if (!flags.custom_config.empty()) spec.custom_config = flags.custom_config;
    HAKO_TRY(spec.sources, find_opencore(session, flags.opencore));
    HAKO_TRY(const auto disk, macos::make_boot_disk(spec, flags.output));
    for (const auto& warning : disk.warnings) session.io.complain("hako: warning: " + warning);
    session.io.print_line(flags.output);
    return 0;
}

}  // namespace

Result<macos::Identity> read_mac_identity(const std::string& file) {
    HAKO_TRY(const auto text, read_file(file));
    HAKO_TRY(const auto json, with_context(parse_json(text), file));
    HAKO_TRY(const auto parts, with_context(macos::identity_parts_from_json(json), file));
    return with_context(macos::make_identity(parts, macos::system_draw()), file);
}

Command macos_disk_command() {
    auto flags = std::make_shared<DiskFlags>();
    Command command("disk", "Write the boot disk of a macOS machine, from an OpenCore release");
    command.option("-o,--output", flags->output, "Disk to write")
        .completes(Completes::files)
        .option("--identity", flags->identity, "File with the identity of the Mac")
        .completes(Completes::files)
        .option("--resolution", flags->resolution, "Size of the screen (default 1920x1080)")
        .option("--boot-args", flags->boot_arguments, "Arguments of the kernel")
        .option("--config", flags->custom_config, "Own config.plist, taken as it is")
        .completes(Completes::files)
        .flag("--picker", flags->picker, "Show OpenCore's menu for a minute")
        .arguments("", 0, 0);
    flags->opencore.declare(command);
    command.action([flags](Session& session, const auto&) { return make(session, *flags); });
    return command;
}

}  // namespace hako::cli
