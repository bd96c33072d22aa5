#include "appliance/boot/boot.h"

#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "appliance/boot/console.h"
#include "appliance/boot/devices.h"
#include "appliance/boot/drivers.h"
#include "appliance/boot/network.h"
#include "appliance/boot/power_button.h"
#include "appliance/settings.h"
#include "base/fd.h"
#include "base/units.h"
#include "macos/disk_image.h"
#include "macos/firmware.h"
#include "macos/progress.h"
#include "macos/run.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kFolder = "/run/hako";
constexpr auto kForOwnDisk = std::chrono::minutes(2);
constexpr auto kForOtherDisk = std::chrono::seconds(30);
constexpr auto kLookAgain = milliseconds(250);

Result<void> mount_folder(const char* type, const char* folder) {
    ::mkdir(folder, 0755);
    // Some kernels have mounted /dev already.
    if (::mount(type, folder, type, 0, nullptr) == 0 || errno == EBUSY) return {};
    return fail_errno(errno, "cannot mount {}", folder);
}

Result<void> prepare_system() {
    HAKO_CHECK(mount_folder("devtmpfs", "/dev"));
    HAKO_CHECK(mount_folder("proc", "/proc"));
    HAKO_CHECK(mount_folder("sysfs", "/sys"));
    HAKO_CHECK(mount_folder("tmpfs", "/run"));
    for (const char* folder : {"/tmp", "/root", "/usr/bin", "/run/hako"}) ::mkdir(folder, 0755);
    ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    ::setenv("HOME", "/root", 1);
    // Ctrl-Alt-Del is a signal for us.
    ::reboot(RB_DISABLE_CAD);
    // QEMU's user network sends the guest's pings.
    (void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    HAKO_TRY(
        [[maybe_unused]] const auto links,
        hako::run({.argv = {std::string(kBusybox), "--install", "-s"}}, std::chrono::seconds(60)));
    return {};
}

Result<Fd> stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot watch for signals");
    return fd;
}

struct Disks {
    OwnDisk own;
    std::vector<OtherDisk> others;
};

// Loads drivers until they are there, or until waiting is in vain.
Result<Disks> await_disks(Drivers& drivers) {
    std::optional<OwnDisk> own;
    for (const auto end = steady_clock::now() + kForOwnDisk; !own;) {
        drivers.load_new();
        own = find_own_disk("/sys");
        if (own) break;
        if (steady_clock::now() > end)
            return fail(ErrorKind::not_found,
                        "the disk that this was started from is not found: this kernel has no "
                        "driver for it (build with another --kernel)");
        std::this_thread::sleep_for(kLookAgain);
    }
    const auto end = steady_clock::now() + kForOtherDisk;
    auto others = other_disks("/sys", *own);
    while (others.empty() && steady_clock::now() < end) {
        std::this_thread::sleep_for(kLookAgain);
        drivers.load_new();
        others = other_disks("/sys", *own);
    }
    return Disks{*std::move(own), std::move(others)};
}

fs::path device_of(std::string_view name) { return fs::path("/dev") / name; }

macos::DiskFile disk_of(const fs::path& device) {
    return {.path = device,
            .format = macos::DiskFormat::raw,
            .direct = macos::takes_direct(device),
            .is_device = true};
}

// Says why, where macOS will have to be emulated.
bool has_kvm(const macos::HostCpu& cpu) {
    if (::access("/dev/kvm", R_OK | W_OK) == 0) return true;
    say("WARNING: there is no KVM, so macOS is emulated, which takes hours. {}",
        cpu.has("vmx") || cpu.has("svm")
            ? "The processor has virtualisation, but Linux cannot use it: enable it in the firmware"
            : "Enable virtualisation in the firmware; in a cloud take a machine with nested "
              "virtualisation");
    return false;
}

Result<macos::MacMachine> describe_machine(const ApplianceSettings& appliance,
                                           const macos::MacSettings& settings, const Disks& disks) {
    HAKO_TRY(const auto cpuinfo, read_file("/proc/cpuinfo"));
    macos::MacMachine machine{.qemu = kQemu,
                              .settings = settings,
                              .identity = appliance.identity,
                              .cpu = macos::parse_cpuinfo(cpuinfo),
                              .firmware = macos::kFirmwareCode,
                              .variables = device_of(disks.own.variables),
                              .boot_disk = device_of(disks.own.opencore),
                              .boots_from_devices = true,
                              .folder = kFolder};
    if (disks.own.recovery) machine.recovery = device_of(*disks.own.recovery);
    if (settings.host_disks.empty()) {
        HAKO_TRY(const auto disk, choose_disk(disks.others));
        say("macOS gets the disk {} ({})", disk.name, format_bytes(disk.bytes));
        machine.disks.push_back(disk_of(device_of(disk.name)));
    }
    for (const auto& [index, path] : settings.host_disks) {
        std::error_code error;
        if (!fs::is_block_file(path, error) || path == device_of(disks.own.name))
            return fail(ErrorKind::not_found, "{}={}: this machine has no such other disk",
                        macos::device_variable(index), path.native());
        machine.disks.push_back(disk_of(path));
    }
    for (const auto& wish : settings.usb.devices) {
        HAKO_TRY(auto device, with_context(vmm::find_usb(wish), "USB"));
        machine.usb.push_back(std::move(device));
    }
    if (settings.use_kvm) machine.settings.use_kvm = has_kvm(machine.cpu);
    if (machine.settings.use_kvm) HAKO_CHECK(macos::check_cpu(machine.cpu, settings.version));
    if (machine.settings.use_kvm)
        for (const auto& warning : macos::host_warnings(machine.cpu, "/sys"))
            say("warning: {}", warning);
    return machine;
}

// The page, where it is wanted. The password is the variable's, or its first words tell a new one.
Result<std::optional<Process>> start_viewer(const ApplianceSettings& appliance,
                                            const macos::MacSettings& settings,
                                            const Relay& relay) {
    if (settings.display != macos::Display::web) return std::nullopt;
    Command command{
        .argv = {std::string(kViewer), "--parent", std::to_string(::getpid()), "--listen",
                 fmt::format("tcp://0.0.0.0:{}", settings.web_port), "--web", std::string(kWeb),
                 "--progress", fs::path(kFolder) / macos::kProgressFile, "--vnc",
                 fs::path(kFolder) / macos::kVncSocket},
        .new_session = true};
    if (settings.audio) command.argv.emplace_back("--sound");
    if (const auto given = appliance.variables.find("PASSWORD");
        given != appliance.variables.end() && !given->second.empty())
        command.extra_environment["HAKO_VIEWER_PASSWORD"] = given->second;
    HAKO_TRY(auto viewer, spawn(command, {{.source = relay.fd(), .target = STDERR_FILENO}}));
    return std::optional(std::move(viewer));
}

Result<void> run_macos(const ApplianceSettings& appliance, const Fd& stop) {
    HAKO_TRY(const auto share, share_for_macos(macos::host_size()));
    HAKO_TRY(const auto wanted, read_variables(appliance.variables, share));
    for (const auto& warning : wanted.warnings) say("warning: {}", warning);

    Drivers drivers;
    HAKO_TRY(const auto disks, await_disks(drivers));
    HAKO_TRY(const auto machine, describe_machine(appliance, wanted.settings, disks));
    const auto& settings = machine.settings;
    const auto network = start_network();
    const auto button = watch_power_button();

    HAKO_TRY(const Relay relay, Relay::start());
    macos::ProgressFile progress(
        machine.folder / macos::kProgressFile,
        fmt::format("macOS {} ({})", settings.version.number, settings.version.name),
        [](const macos::Progress& now) { say_line(now.message); });
    HAKO_TRY([[maybe_unused]] const auto viewer, start_viewer(appliance, settings, relay));
    say("starting macOS {} with {} processors and {} MiB, {}", settings.version.number,
        settings.cpus, settings.memory / kMiB, settings.use_kvm ? "by KVM" : "emulated");
    HAKO_TRY(const auto ended,
             macos::run_machine(machine, stop.get(), progress, {.errors = relay.fd()}));
    // Who pressed the power button wants it off, whatever macOS makes of it.
    if (ended.status.success() || ended.cut_off) return {};
    return fail(ErrorKind::unavailable, "QEMU ended: {}; its words are above",
                to_string(ended.status));
}

[[noreturn]] void end_machine(int how) {
    ::sync();
    ::reboot(how);
    for (;;) ::pause();
}

// Until somebody who looked into it ends it.
[[noreturn]] void rescue(const Fd& stop) {
    say("this is a shell to look into it; poweroff and reboot end it");
    const auto shells = start_rescue_shells();
    signalfd_siginfo signal{};
    while (::read(stop.get(), &signal, sizeof signal) != sizeof signal) {
    }
    const bool again = signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT;
    end_machine(again ? RB_AUTOBOOT : RB_POWER_OFF);
}

Result<ApplianceSettings> read_settings() {
    HAKO_TRY(const auto text, read_file(kSettingsFile));
    HAKO_TRY(const auto json, parse_json(text));
    HAKO_TRY(auto appliance, settings_from_json(json));
    HAKO_TRY(const auto line, read_file("/proc/cmdline"));
    for (const auto& [name, value] : variables_of_kernel_line(line))
        appliance.variables[name] = value;
    return appliance;
}

}  // namespace

int boot_main() {
    if (::getpid() != 1) {
        (void)std::fputs(
            "hako-appliance is the first process of an appliance: hako macos appliance build makes "
            "one\n",
            stderr);
        return EXIT_FAILURE;
    }
    const auto stop = stop_signals();
    const auto ready = prepare_system();
    if (!stop || !ready) {
        say("this machine cannot be set up: {}", (stop ? ready.error() : stop.error()).message());
        end_machine(RB_POWER_OFF);
    }
    say("this is a macOS appliance");
    const auto appliance = with_context(read_settings(), kSettingsFile);
    const Result<void> done =
        appliance ? run_macos(*appliance, *stop) : Result<void>(fail(appliance.error()));
    if (!done) {
        say("macOS cannot be run: {}", done.error().message());
        if (!appliance || !powers_off_on_failure(appliance->variables)) rescue(*stop);
    }
    say("powering off");
    end_machine(RB_POWER_OFF);
}

}  // namespace hako::appliance
