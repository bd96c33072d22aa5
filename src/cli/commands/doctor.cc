// hako doctor: what this host offers to VMs, and what to do about what it lacks. Needs no daemon.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <array>

#include "base/fd.h"
#include "base/process.h"
#include "cli/commands/commands.h"
#include "cli/output/text.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

enum class Verdict { good, slow, bad };

struct Finding {
    Verdict verdict = Verdict::good;
    std::string subject;
    std::string text;  // what is the case, and what to do
};

constexpr std::uint64_t kLittleSpace = 1 * kGiB;
constexpr std::chrono::seconds kProgramDeadline{10};

Finding check_kvm() {
    const auto device = open_file("/dev/kvm", O_RDWR);
    if (!device && device.error().kind() == ErrorKind::not_found)
        return {Verdict::slow, "KVM",
                "there is no /dev/kvm, VMs are emulated and slow: enable virtualisation in the "
                "firmware (or nested virtualisation, in a VM) and load kvm_intel or kvm_amd"};
    if (!device)
        return {Verdict::slow, "KVM",
                device.error().message() + ": add the daemon's user to the group kvm"};
    const int version = ::ioctl(device->get(), KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION)
        return {Verdict::slow, "KVM", "/dev/kvm speaks another version: update the kernel"};
    return {Verdict::good, "KVM", "/dev/kvm answers"};
}

Finding check_qemu() {
    const auto output = run({.argv = {"qemu-system-x86_64", "--version"}}, kProgramDeadline);
    if (!output || !output->status.success())
        return {Verdict::bad, "QEMU",
                "qemu-system-x86_64 does not run: install the package qemu-system-x86"};
    return {Verdict::good, "QEMU", output->out.substr(0, output->out.find('\n'))};
}

Finding check_cgroups() {
    const auto controllers = read_file("/sys/fs/cgroup/cgroup.controllers");
    if (!controllers) {
        if (::access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0)
            return {Verdict::good, "cgroups", "version 1, for memory, processes and CPUs of VMs"};
        return {
            Verdict::slow, "cgroups",
            "there are none at /sys/fs/cgroup, VMs run without limits on the host: mount cgroup2 "
            "there"};
    }
    std::string missing;
    for (const char* name : {"cpu", "memory", "pids"})
        if (controllers->find(name) == std::string::npos) missing += std::string(" ") + name;
    if (missing.empty()) return {Verdict::good, "cgroups", "version 2 with cpu, memory and pids"};
    return {Verdict::slow, "cgroups",
            fmt::format("the controllers{} are missing, VMs run without these limits on the host: "
                        "delegate them to the daemon's cgroup",
                        missing)};
}

// The kernel's configuration, as far as it tells; "" where it does not.
std::string kernel_configuration() {
    utsname host{};
    if (::uname(&host) != 0) return "";
    if (auto text = read_file(fmt::format("/boot/config-{}", host.release)))
        return *std::move(text);
    const auto packed = run({.argv = {"zcat", "/proc/config.gz"}}, kProgramDeadline);
    return packed && packed->status.success() ? packed->out : "";
}

Finding check_kernel() {
    struct Feature {
        const char* option;
        const char* module;
    };
    constexpr std::array kFeatures{Feature{"CONFIG_TUN", "tun"}, Feature{"CONFIG_BRIDGE", "bridge"},
                                   Feature{"CONFIG_NF_TABLES", "nf_tables"},
                                   Feature{"CONFIG_NFT_NAT", "nft_nat"}};
    const auto configuration = kernel_configuration();
    if (configuration.empty())
        return {
            Verdict::slow, "kernel",
            "its configuration cannot be read: see that it has tun, bridge, nf_tables and nft_nat"};
    std::string missing;
    for (const auto& [option, module] : kFeatures)
        if (configuration.find(fmt::format("\n{}=", option)) == std::string::npos)
            missing += fmt::format(" {}", module);
    if (missing.empty())
        return {Verdict::good, "kernel", "has tun, bridge, nf_tables and nft_nat for networks"};
    return {Verdict::slow, "kernel",
            fmt::format("lacks{}, containers run without networks: use a distribution's kernel",
                        missing)};
}

// Whether somebody listens on a TCP port, by the kernel's tables.
bool is_in_use(unsigned port) {
    constexpr std::string_view kListening = " 0A ";
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        const auto text = read_file(table).value_or("");
        const auto local = fmt::format(":{:04X} ", port);
        for (auto at = text.find(local); at != std::string::npos; at = text.find(local, at + 1)) {
            const auto rest = std::string_view(text).substr(at + local.size());
            const auto state = rest.find(' ');
            if (rest.substr(std::min(state, rest.size())).starts_with(kListening)) return true;
        }
    }
    return false;
}

Finding check_ports() {
    std::string taken;
    for (const unsigned port : {80U, 443U})
        if (is_in_use(port)) taken += fmt::format("{}{}", taken.empty() ? "" : ", ", port);
    if (taken.empty()) return {Verdict::good, "ports", "80 and 443 are free to publish"};
    return {Verdict::slow, "ports",
            fmt::format("{} in use: ss -ltnp tells by whom; publish others, such as -p 8080:80",
                        taken)};
}

Finding check_channel() {
    if (::access("/dev/vhost-vsock", R_OK | W_OK) == 0)
        return {Verdict::good, "vsock", "/dev/vhost-vsock is there"};
    return {Verdict::slow, "vsock",
            "no /dev/vhost-vsock, agents are reached by a serial port: modprobe vhost_vsock for "
            "faster streams"};
}

// The nearest folder that exists: the root may not be made yet.
Finding check_space(std::filesystem::path root) {
    while (!root.empty() && root != root.parent_path() && !std::filesystem::exists(root))
        root = root.parent_path();
    struct statvfs disk {};
    if (::statvfs(root.c_str(), &disk) != 0)
        return {Verdict::bad, "disk", fmt::format("{}: {}", root.string(), errno_text(errno))};
    const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const auto text = fmt::format("{} free in {}", format_size(free), root.string());
    if (free >= kLittleSpace) return {Verdict::good, "disk", text};
    return {Verdict::bad, "disk",
            text + ": hako system df tells what takes it, hako image prune frees some"};
}

Finding check_memory() {
    const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_AVPHYS_PAGES));
    const std::uint64_t free = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const auto text = format_binary_size(free) + " free";
    if (free >= 512 * kMiB) return {Verdict::good, "memory", text};
    return {Verdict::slow, "memory",
            text + ": a VM may take 512 MiB, give containers less with -m"};
}

Finding check_daemon(Session& session) {
    const auto host = session.host();
    if (!host) return {Verdict::bad, "daemon", host.error().message()};
    const auto api = Api::connect(host->endpoint);
    if (!api)
        return {Verdict::slow, "daemon", api.error().message() + ": hako system start begins one"};
    const auto info = api->get("/info");
    if (!info) return {Verdict::bad, "daemon", info.error().message()};
    const auto text = fmt::format("{} answers, {} containers", info->value("ServerVersion", "?"),
                                  info->value("Containers", 0));
    // It has tried to run a VM.
    for (const auto& warning : info->value("Warnings", Json::array()))
        return {Verdict::slow, "daemon", fmt::format("{}; {}", text, warning.get<std::string>())};
    return {Verdict::good, "daemon", text};
}

Result<int> doctor(Session& session) {
    const std::array findings{
        check_kvm(),          check_qemu(),    check_kernel(), check_cgroups(),
        check_ports(),        check_channel(), check_memory(), check_space(session.paths.root),
        check_daemon(session)};
    bool bad = false;
    for (const auto& finding : findings) {
        const char* mark = finding.verdict == Verdict::good   ? "ok  "
                           : finding.verdict == Verdict::slow ? "note"
                                                              : "BAD ";
        bad = bad || finding.verdict == Verdict::bad;
        session.io.print_line(fmt::format("{} {:<8} {}", mark, finding.subject, finding.text));
    }
    return bad ? 1 : 0;
}

}  // namespace

Command doctor_command() {
    Command command("doctor", "Check what this host offers to containers' VMs");
    command.action([](Session& session, const auto&) { return doctor(session); });
    return command;
}

}  // namespace hako::cli
