// hako macos prepare, boot: a macOS machine in a folder
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/fd.h"
#include "base/paths.h"
#include "base/process.h"
#include "cli/commands/macos.h"
#include "cli/commands/macos_opencore.h"
#include "cli/session.h"
#include "macos/machine_request.h"
#include "macos/prepare.h"
#include "macos/progress.h"
#include "macos/run.h"
#include "vmm/qemu/binary.h"

namespace hako::cli {
namespace {

struct MachineFlags {
    std::string storage;
    std::vector<std::string> variables;
    OpenCoreFlags opencore;
    std::string custom_config, recovery, share;
    std::string web_address = "127.0.0.1";
};

Result<void> need_kvm(const macos::MacSettings& settings) {
    if (!settings.use_kvm || ::access("/dev/kvm", R_OK | W_OK) == 0) return {};
    return fail(ErrorKind::unavailable,
                "/dev/kvm cannot be used: enable virtualisation in the firmware, load kvm_intel or "
                "kvm_amd, and join the group kvm. Emulation, which takes hours, is KVM=N");
}

// What flags and variables ask for.
struct Asked {
    macos::PrepareRequest request;
    macos::Variables variables;  // with the flags that stand for some
    std::vector<std::string> warnings;

    std::filesystem::path folder() const {
        return request.storage / request.settings.version.number;
    }
};

Result<Asked> read_flags(const MachineFlags& flags) {
    if (flags.storage.empty())
        return fail(ErrorKind::invalid, "name the machine's folder with --storage");
    HAKO_TRY(auto variables, read_variables(flags.variables));
    HAKO_CHECK(flags.opencore.add_to(variables));
    if (!flags.recovery.empty()) variables["RECOVERY"] = std::filesystem::absolute(flags.recovery);
    HAKO_TRY(auto parsed, macos::parse_settings(variables, macos::host_size()));
    HAKO_CHECK(need_kvm(parsed.settings));
    HAKO_TRY(const auto cpu, read_file("/proc/cpuinfo"));
    HAKO_TRY(auto qemu, vmm::find_qemu());
    const auto absolute = [](const std::string& path) { return std::filesystem::absolute(path); };
    Asked asked{.request = {.settings = std::move(parsed.settings),
                            .storage = absolute(flags.storage),
                            .qemu = std::move(qemu),
                            .cpu = macos::parse_cpuinfo(cpu)},
                .variables = std::move(variables),
                .warnings = std::move(parsed.warnings)};
    auto& request = asked.request;
    if (!flags.custom_config.empty()) request.custom_config = flags.custom_config;
    HAKO_TRY(const auto recovery, macos::named_recovery(asked.variables));
    request.recovery = recovery.value_or("");
    if (!flags.share.empty()) request.share = absolute(flags.share);
    return asked;
}

Result<macos::PreparedMachine> prepare(const Session& session, const Asked& asked) {
    HAKO_TRY(auto prepared, macos::prepare_machine(asked.request));
    for (const auto& list : {asked.warnings, prepared.warnings})
        for (const auto& warning : list) session.io.complain("hako: warning: " + warning);
    return prepared;
}

Result<int> print_command(const Session& session, const MachineFlags& flags) {
    HAKO_TRY(auto asked, read_flags(flags));
    if (asked.request.recovery.empty())
        return fail(
            ErrorKind::invalid,
            "name a recovery system with --recovery (`hako macos fetch` prints where it is)");
    HAKO_TRY([[maybe_unused]] const auto lock,
             macos::lock_storage(asked.request.storage, "hako macos prepare"));
    HAKO_TRY(asked.request.opencore, find_opencore(session, asked.variables));
    HAKO_TRY(const auto prepared, prepare(session, asked));
    session.io.print_line(to_shell(macos::qemu_command(prepared.machine)));
    return 0;
}

// Readable when SIGINT or SIGTERM came.
Result<Fd> stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot watch for signals");
    return fd;
}

Result<ExitStatus> make_and_run(const Session& session, Asked& asked,
                                macos::ProgressFile& progress) {
    auto& request = asked.request;
    const auto& version = request.settings.version;
    progress.enter(macos::Stage::checking,
                   fmt::format("Making a machine for macOS {} ({})", version.number, version.name));
    HAKO_TRY(request.opencore, find_opencore(session, asked.variables, &progress));
    if (request.recovery.empty()) {
        progress.enter(macos::Stage::downloading, "Downloading the recovery system from Apple");
        HAKO_TRY(request.recovery, fetch_recovery(session, request.settings,
                                                  [&](std::uint64_t done, std::uint64_t total) {
                                                      progress.count(done, total);
                                                  }));
    }
    progress.enter(macos::Stage::preparing, "Making disks and firmware");
    HAKO_TRY(const auto prepared, prepare(session, asked));
    HAKO_TRY(const Fd stop, stop_signals());
    if (request.settings.display == macos::Display::vnc)
        session.io.print_line((asked.folder() / macos::kVncSocket).native());
    HAKO_TRY(const auto ended, macos::run_machine(prepared.machine, stop.get(), progress));
    return ended.status;
}

Result<int> boot(const Session& session, const MachineFlags& flags) {
    HAKO_TRY(auto asked, read_flags(flags));
    HAKO_TRY([[maybe_unused]] const auto lock,
             macos::lock_storage(asked.request.storage, "hako macos boot"));
    HAKO_CHECK(make_folders(asked.folder()));
    const auto& version = asked.request.settings.version;
    macos::ProgressFile progress(asked.folder() / macos::kProgressFile,
                                 fmt::format("macOS {} ({})", version.number, version.name));
    std::optional<Process> viewer;
    if (asked.request.settings.display == macos::Display::web) {
        HAKO_TRY(viewer, start_mac_viewer(session, asked.folder(), flags.web_address,
                                          asked.request.settings));
    }
    const auto ended = make_and_run(session, asked, progress);
    if (ended) return ended->shell_code();
    progress.enter(macos::Stage::failed, ended.error().message());
    return fail(ended.error());
}

Command& add_flags(Command& command, MachineFlags& flags) {
    flags.opencore.declare(command);
    return command.option("--storage", flags.storage, "Folder of the machine's disks")
        .completes(Completes::files)
        .option("-e,--env", flags.variables, "Setting, as VERSION=14 or RAM_SIZE=8G")
        .option("--config", flags.custom_config, "Own config.plist, taken as it is")
        .completes(Completes::files)
        .option("--recovery", flags.recovery, "Recovery system (.dmg) to install from")
        .completes(Completes::files)
        .option("--share", flags.share, "Folder that the guest sees (mount_9p shared)")
        .completes(Completes::files)
        .arguments("", 0, 0);
}

}  // namespace

Result<macos::Variables> read_variables(const std::vector<std::string>& list) {
    macos::Variables variables;
    for (const auto& item : list) {
        const auto equals = item.find('=');
        if (equals == std::string::npos)
            return fail(ErrorKind::invalid, "the variable \"{}\" has no value: write NAME=VALUE",
                        item);
        variables[item.substr(0, equals)] = item.substr(equals + 1);
    }
    return variables;
}

Command macos_prepare_command() {
    auto flags = std::make_shared<MachineFlags>();
    Command command("prepare", "Make a macOS machine in a folder, and print what starts it");
    add_flags(command, *flags);
    command.action(
        [flags](Session& session, const auto&) { return print_command(session, *flags); });
    return command;
}

Command macos_boot_command() {
    auto flags = std::make_shared<MachineFlags>();
    Command command("boot", "Make a macOS machine in a folder and run it until it shuts down");
    add_flags(command, *flags)
        .option("--web-address", flags->web_address,
                "Address that the viewer listens on (default 127.0.0.1)");
    command.action([flags](Session& session, const auto&) { return boot(session, *flags); });
    return command;
}

}  // namespace hako::cli
