// hako macos prepare: a macOS machine in a folder, up to the command that starts it
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <thread>

#include "base/fd.h"
#include "base/process.h"
#include "cli/commands/macos.h"
#include "cli/session.h"
#include "macos/prepare.h"
#include "vmm/qemu/binary.h"

namespace hako::cli {
namespace {

struct Flags {
    std::string storage;
    std::vector<std::string> variables;
    std::vector<std::string> sources;
    std::string sha256, custom_config, recovery, share;
};

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

macos::HostSize host_size() {
    struct sysinfo info {};
    ::sysinfo(&info);
    return {.cpus = std::thread::hardware_concurrency(),
            .memory = static_cast<std::uint64_t>(info.totalram) * info.mem_unit};
}

Result<void> check_kvm(const macos::MacSettings& settings) {
    if (!settings.use_kvm || ::access("/dev/kvm", R_OK | W_OK) == 0) return {};
    return fail(ErrorKind::unavailable,
                "/dev/kvm cannot be used: enable virtualisation in the firmware, load kvm_intel or "
                "kvm_amd, and join the group kvm. Emulation, which takes hours, is KVM=N");
}

Result<int> prepare(Session& session, const Flags& flags) {
    if (flags.storage.empty() || flags.sources.empty() || flags.recovery.empty())
        return fail(
            ErrorKind::invalid,
            "name the machine's folder with --storage, an OpenCore release with --opencore, "
            "and a recovery system with --recovery (`hako macos fetch` prints where it is)");
    HAKO_TRY(const auto variables, read_variables(flags.variables));
    HAKO_TRY(auto parsed, macos::parse_settings(variables, host_size()));
    HAKO_CHECK(check_kvm(parsed.settings));
    HAKO_TRY(const auto cpu, read_file("/proc/cpuinfo"));
    HAKO_TRY(auto qemu, vmm::find_qemu());
    const auto absolute = [](const std::string& path) { return std::filesystem::absolute(path); };
    macos::PrepareRequest request{.settings = std::move(parsed.settings),
                                  .storage = absolute(flags.storage),
                                  .recovery = absolute(flags.recovery),
                                  .qemu = std::move(qemu),
                                  .cpu = macos::parse_cpuinfo(cpu)};
    for (const auto& path : flags.sources) request.opencore.push_back({.path = path});
    request.opencore.front().sha256 = flags.sha256;
    if (!flags.custom_config.empty()) request.custom_config = flags.custom_config;
    if (!flags.share.empty()) request.share = absolute(flags.share);
    HAKO_TRY(const auto prepared, macos::prepare_machine(request));
    for (const auto& list : {parsed.warnings, prepared.warnings})
        for (const auto& warning : list) session.io.complain("hako: warning: " + warning);
    session.io.print_line(to_shell(macos::qemu_command(prepared.machine)));
    return 0;
}

}  // namespace

Command macos_prepare_command() {
    auto flags = std::make_shared<Flags>();
    Command command("prepare", "Make a macOS machine in a folder, and print what starts it");
    command.option("--storage", flags->storage, "Folder of the machine's disks")
        .completes(Completes::files)
        .option("-e,--env", flags->variables, "Setting, as VERSION=14 or RAM_SIZE=8G")
        .option("--opencore", flags->sources,
                "OpenCore release: its folder or ZIP; again for kexts that it lacks")
        .completes(Completes::files)
        .option("--opencore-sha256", flags->sha256, "SHA-256 that the first --opencore must have")
        .option("--config", flags->custom_config, "Own config.plist, taken as it is")
        .completes(Completes::files)
        .option("--recovery", flags->recovery, "Recovery system (.dmg) to install from")
        .completes(Completes::files)
        .option("--share", flags->share, "Folder that the guest sees (mount_9p shared)")
        .completes(Completes::files)
        .arguments("[OPTIONS]", 0, 0);
    command.action([flags](Session& session, const auto&) { return prepare(session, *flags); });
    return command;
}

}  // namespace hako::cli
