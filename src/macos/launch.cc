#include "macos/launch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/program.h"
#include "macos/snapshots.h"
#include "vmm/cgroup.h"
#include "vmm/hotplug.h"
#include "vmm/jail.h"
#include "vmm/migration.h"

namespace hako::macos {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kStart = std::chrono::seconds(30);
constexpr auto kLook = milliseconds(50);
constexpr auto kLastWords = milliseconds(500);
constexpr int kQmpFd = 3;
constexpr int kFirstFileFd = 4;
// QEMU's own memory beyond the guest's; translated code comes on top where it emulates.
constexpr std::uint64_t kQemuMemory = 512 * kMiB;
constexpr std::uint64_t kTranslatedCode = 1 * kGiB;
constexpr unsigned kQemuThreads = 256;

// What a jailed QEMU inherits: it opens no file of ours.
struct Inheritance {
    std::vector<Fd> theirs;
    std::vector<FdMapping> mappings;
    std::vector<std::string> arguments;  // that tell QEMU of the files
    int next = kFirstFileFd;

    void give(Fd fd, int target) {
        mappings.push_back({.source = fd.get(), .target = target});
        theirs.push_back(std::move(fd));
    }
    // Opens the file, and makes the path what QEMU knows it by.
    Result<void> give_file(std::filesystem::path& path, bool writable) {
        const int set = next;
        HAKO_CHECK(add_to_set(path, O_RDONLY, set));
        // Some are opened for reading first.
        if (writable) HAKO_CHECK(add_to_set(path, O_RDWR, set));
        path = fmt::format("/dev/fdset/{}", set);
        return {};
    }
    Result<void> add_to_set(const std::filesystem::path& path, int flags, int set) {
        HAKO_TRY(Fd fd, open_file(path, flags));
        arguments.insert(arguments.end(), {"-add-fd", fmt::format("fd={},set={}", next, set)});
        give(std::move(fd), next++);
        return {};
    }
};

vmm::JailSpec describe_jail(const MacMachine& machine, const JailPlace& place,
                            std::vector<std::string> argv) {
    const bool kvm = machine.settings.use_kvm;
    auto cgroup = vmm::CgroupTree().create(
        place.machine,
        {.memory_bytes = machine.settings.memory + kQemuMemory + (kvm ? 0 : kTranslatedCode),
         .pids = kQemuThreads + machine.settings.cpus});
    for (const auto& note : cgroup.notes) log_warn("{}", note);
    vmm::JailSpec jail{.argv = std::move(argv),
                       .files = {machine.qemu, machine.firmware},
                       .devices = {"/dev/null", "/dev/urandom"},
                       .cgroup_procs = std::move(cgroup.procs_files),
                       .own_network = machine.settings.network != Network::user,
                       .uid = vmm::jail_uid(place.machine),
                       .parent = ::getpid()};
    // Of a share that somebody owns, QEMU is that one: the guest's files are theirs.
    if (machine.share) {
        jail.folders.push_back(*machine.share);
        struct stat owner {};
        if (::stat(machine.share->c_str(), &owner) == 0 && owner.st_uid != 0)
            jail.uid = owner.st_uid;
    }
    if (kvm) jail.devices.emplace_back("/dev/kvm");
    // Names of the user network's guest are asked for as the host asks.
    constexpr std::string_view kResolvers = "/etc/resolv.conf";
    std::error_code error;
    if (!jail.own_network && std::filesystem::exists(kResolvers, error))
        jail.files.emplace_back(kResolvers);
    return jail;
}

Error ended_at_start(const ExitStatus& status) {
    return {ErrorKind::unavailable,
            fmt::format("QEMU ended at its start ({}); its words are above", to_string(status))};
}

}  // namespace

Result<RunningQemu> launch(const MacMachine& machine, int errors) {
    auto command = qemu_command(machine);
    command.new_session = true;  // Ctrl+C in a terminal is for us
    tie_to_us(command.argv);     // a jailed one is by its jail
    HAKO_TRY(Process qemu, spawn(command, {{.source = errors, .target = STDERR_FILENO}}));
    const auto end = steady_clock::now() + kStart;
    for (;;) {
        // QEMU may listen and end all the same, over the next of its arguments.
        if (auto socket = connect_unix(machine.folder / kQmpSocket))
            if (auto client = vmm::QmpClient::connect(*std::move(socket), kStart))
                return RunningQemu{std::move(qemu), *std::move(client)};
        HAKO_TRY(const auto ended, qemu.wait(kLook));
        if (ended) return fail(ended_at_start(*ended));
        if (steady_clock::now() > end) return fail(ErrorKind::deadline, "QEMU does not answer");
    }
}

Result<RunningQemu> launch_jailed(const MacMachine& machine, const JailPlace& place, int errors) {
    Inheritance given;
    MacMachine inside = machine;
    HAKO_CHECK(given.give_file(inside.variables, true));
    HAKO_CHECK(given.give_file(inside.boot_disk, false));
    if (inside.recovery) HAKO_CHECK(given.give_file(*inside.recovery, false));
    for (auto& disk : inside.disks) HAKO_CHECK(given.give_file(disk.path, true));
    for (auto& device : inside.usb) HAKO_CHECK(given.give_file(device, true));
    const auto memory = memory_to_load(machine.folder);
    if (memory) {
        HAKO_TRY(Fd fd, open_file(*memory, O_RDONLY));
        inside.memory_fd = given.next++;
        given.give(std::move(fd), *inside.memory_fd);
    }
    if (place.lan >= 0) {
        Fd lan(::fcntl(place.lan, F_DUPFD_CLOEXEC, 0));
        if (!lan) return fail_errno(errno, "cannot hand the LAN's link on");
        inside.lan_fd = given.next++;
        given.give(std::move(lan), *inside.lan_fd);
    }
    HAKO_TRY(FdPair qmp, make_socket_pair());
    given.give(std::move(qmp.second), kQmpFd);

    auto argv = qemu_command(inside, kQmpFd).argv;
    argv.insert(argv.begin() + 1, given.arguments.begin(), given.arguments.end());
    HAKO_TRY(Fd input,
             vmm::text_file(dump_json(to_json(describe_jail(machine, place, std::move(argv))))));
    given.give(std::move(input), STDIN_FILENO);
    given.mappings.push_back({.source = errors, .target = STDERR_FILENO});
    HAKO_TRY(Process qemu, spawn({.argv = place.program, .new_session = true}, given.mappings));
    given.theirs.clear();
    auto client =
        vmm::QmpClient::connect(std::move(qmp.first), memory ? vmm::kLoadDeadline : kStart);
    if (!client) {
        HAKO_TRY(const auto ended, qemu.wait(kLastWords));
        return fail(ended ? ended_at_start(*ended) : client.error());
    }
    if (memory) {
        HAKO_CHECK(with_context(vmm::await_loaded(**client),
                                "the snapshot's memory does not fit the machine, whose settings or "
                                "host are others now: restore its disks alone"));
        // What it was is over: the next start is a boot.
        std::error_code error;
        std::filesystem::remove(*memory, error);
    }
    return RunningQemu{std::move(qemu), *std::move(client)};
}

}  // namespace hako::macos
