#include "macshim/mac_sandbox.h"

#include <unistd.h>

#include <csignal>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "macos/recovery.h"
#include "macos/room.h"
#include "macos/run.h"
#include "macos/snapshots.h"
#include "macshim/mac_commands.h"
#include "macshim/mac_ports.h"
#include "network/links.h"
#include "runtime/shim_record.h"
#include "viewer/access.h"
#include "vmm/machine.h"
#include "vmm/qemu/binary.h"

namespace hako::macshim {
namespace {

using macos::Stage;
using std::chrono::milliseconds;

constexpr auto kKill = std::chrono::seconds(5);
// Pages that ask each second are to read why it failed.
constexpr auto kLastLook = std::chrono::seconds(2);

std::string variable(const macos::Variables& variables, const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
}

}  // namespace

MacSandbox::MacSandbox(runtime::SandboxSpec spec, macos::MachineRequest request,
                       const Installation& installation, std::unique_ptr<MacLog> log, FdPair stop)
    : spec_(std::move(spec)),
      request_(std::move(request)),
      installation_(installation),
      log_(std::move(log)),
      stop_(std::move(stop)),
      execs_([this](const std::string& id) { return spec_.exec_log(id); },
             [this](const std::vector<std::string>& words) { return run_command(words); }) {}

Result<std::unique_ptr<MacSandbox>> MacSandbox::create(runtime::SandboxSpec spec,
                                                       macos::MachineRequest request,
                                                       const Installation& installation) {
    HAKO_TRY(auto log, MacLog::open(spec.container.log));
    HAKO_TRY(auto stop, make_pipe());
    return std::unique_ptr<MacSandbox>(new MacSandbox(
        std::move(spec), std::move(request), installation, std::move(log), std::move(stop)));
}

void MacSandbox::run() {
    {
        auto state = state_.lock();
        changed_.wait(state.lock(), [&] { return state->started || state->over; });
        if (!state->started) return;
    }
    finish(live());
}

Result<macos::StorageLocks> MacSandbox::lock_folders() const {
    return macos::lock_storages(request_.storage, request_.disk_folders,
                                "container " + request_.name);
}

Result<ExitStatus> MacSandbox::live() {
    HAKO_TRY(auto parsed, macos::parse_settings(request_.variables, macos::host_size()));
    HAKO_TRY(auto ports, open_ports(request_.ports));
    parsed.settings.ports = std::move(ports.forwards);
    const auto& version = parsed.settings.version;
    HAKO_TRY([[maybe_unused]] const auto locks, lock_folders());
    const auto folder = request_.storage / version.number;
    HAKO_CHECK(make_folders(folder));
    HAKO_CHECK(macos::place_disks(folder, parsed.settings, request_.disk_folders));
    state_.lock()->folder = folder;
    macos::ProgressFile progress(folder / macos::kProgressFile,
                                 fmt::format("macOS {} ({})", version.number, version.name),
                                 [this](const macos::Progress& now) {
                                     if (viewer_) viewer_->show(now);
                                     log_->tell(now);
                                 });
    if (parsed.settings.display == macos::Display::web)
        HAKO_CHECK(start_viewer(parsed.settings.audio));
    auto ended = live_in(parsed, folder, progress);
    if (!ended) {
        progress.enter(Stage::failed, ended.error().message());
        if (viewer_) std::this_thread::sleep_for(kLastLook);
    }
    viewer_.reset();
    return ended;
}

Result<ExitStatus> MacSandbox::live_in(const macos::ParsedSettings& parsed,
                                       const std::filesystem::path& folder,
                                       macos::ProgressFile& progress) {
    const auto& settings = parsed.settings;
    progress.enter(Stage::checking, fmt::format("Making a machine for macOS {} ({})",
                                                settings.version.number, settings.version.name));
    HAKO_TRY(const auto cpu, read_file("/proc/cpuinfo"));
    HAKO_TRY(auto qemu, vmm::find_qemu());
    auto sources =
        macos::find_opencore(request_, macos::watch_in(progress), giving_up_.get_token());
    if (const auto early = ended_early(progress, "getting OpenCore")) return *early;
    if (!sources) return fail(sources.error());
    auto recovery = fetch_recovery(settings, progress);
    if (const auto early = ended_early(progress, "getting the recovery system")) return *early;
    if (!recovery) return fail(recovery.error());

    const macos::PrepareRequest wanted{.settings = settings,
                                       .storage = request_.storage,
                                       .opencore = *std::move(sources),
                                       .custom_config = request_.custom_config,
                                       .recovery = *std::move(recovery),
                                       .share = request_.share,
                                       .qemu = std::move(qemu),
                                       .cpu = macos::parse_cpuinfo(cpu)};
    if (request_.from) {
        progress.enter(Stage::preparing, "Copying the snapshot that it begins with");
        HAKO_CHECK(macos::begin_with(*request_.from, folder));
    }
    for (;;) {
        auto ended = make_and_run(parsed, wanted, progress);
        HAKO_TRY(const bool again, restore_if_wanted(folder));
        if (!again) return ended;
    }
}

Result<ExitStatus> MacSandbox::make_and_run(const macos::ParsedSettings& parsed,
                                            const macos::PrepareRequest& wanted,
                                            macos::ProgressFile& progress) {
    progress.enter(Stage::preparing, "Making disks and firmware");
    HAKO_TRY(const auto prepared,
             with_context(macos::prepare_machine(wanted),
                          fmt::format("cannot make the machine in {}", request_.storage.native())));
    for (const auto& list : {parsed.warnings, prepared.warnings})
        for (const auto& warning : list) log_->complain("warning: " + warning);
    if (const auto early = ended_early(progress, "making disks and firmware")) return *early;
    if (wanted.settings.display == macos::Display::vnc)
        log_->say(fmt::format("The screen is at {}", screen().native()));
    // hakod made it, and takes it away.
    std::optional<Fd> lan;
    if (wanted.settings.network == macos::Network::lan && !spec_.machine.nics.empty()) {
        HAKO_TRY(lan, network::open_tap(spec_.machine.nics.front().tap));
    }
    const macos::JailPlace jail{.program = {installation_.shim().native(), "jail"},
                                .machine = spec_.id,
                                .screen = screen(),
                                .viewer = viewer_ ? viewer_->uid() : 0,
                                .lan = lan ? lan->get() : -1};
    auto ended = macos::run_machine(
        prepared.machine, stop_.first.get(), progress,
        {.jail = &jail,
         .errors = log_->errors(),
         .on_start = [this](pid_t pid,
                            std::shared_ptr<vmm::QmpClient> qmp) { began(pid, std::move(qmp)); },
         .why_killed = [this] { return state_.lock()->why_killed; }});
    auto state = state_.lock();
    state->qemu.reset();
    state->qmp.reset();
    state->paused = false;
    if (!ended) return fail(ended.error());
    return ended->status;
}

Result<bool> MacSandbox::restore_if_wanted(const std::filesystem::path& folder) {
    const auto wanted = std::exchange(state_.lock()->restore, {});
    if (!wanted) return false;
    log_->say("Restoring the snapshot " + wanted->snapshot);
    auto restored = macos::restore_snapshot(folder, wanted->snapshot, wanted->with_memory);
    auto state = state_.lock();
    state->restored = restored;
    changed_.notify_all();
    HAKO_CHECK(restored);
    return !state->asked;
}

Result<void> MacSandbox::restore(const std::string& snapshot, bool with_memory) {
    HAKO_TRY(const auto qmp, this->qmp());
    auto state = state_.lock();
    if (state->restore) return fail(ErrorKind::conflict, "another snapshot is being restored");
    state->restore = Restore{snapshot, with_memory};
    state->restored.reset();
    // Its disks are to be as they were: there is nothing to shut down for.
    if (state->qemu) HAKO_CHECK(kill_process(*state->qemu, kKill));
    changed_.wait(state.lock(), [&] { return state->restored || state->over; });
    if (!state->restored) return fail(ErrorKind::conflict, "the machine has ended meanwhile");
    return *state->restored;
}

Result<std::filesystem::path> MacSandbox::fetch_recovery(const macos::MacSettings& settings,
                                                         macos::ProgressFile& progress) {
    if (request_.recovery) return *request_.recovery;
    macos::RecoveryOptions options;
    if (!settings.recovery_server.empty()) options.server = settings.recovery_server;
    options.allow_unverified = settings.allow_unverified;
    options.download.connections = settings.connections;
    options.transport.proxies = oci::Proxies::from_environment();
    options.on_wait = [&] {
        progress.enter(Stage::downloading,
                       "Another machine is downloading the same recovery system: waiting for it");
    };
    macos::RecoveryCache cache(request_.cache, std::move(options));
    bool begun = false;
    HAKO_TRY(auto image, cache.fetch(
                             settings.version,
                             [&](std::uint64_t done, std::uint64_t total) {
                                 if (!begun)
                                     progress.enter(Stage::downloading,
                                                    "Downloading the recovery system from Apple");
                                 begun = true;
                                 progress.count(done, total);
                             },
                             giving_up_.get_token()));
    if (!image.is_signed)
        log_->complain(
            "warning: the recovery system is not signed by Apple: whoever made it rules "
            "what boots");
    return std::move(image.dmg);
}

Result<void> MacSandbox::start_viewer(bool has_sound) {
    auto password = variable(request_.variables, "PASSWORD");
    const bool given = !password.empty();
    if (!given) password = viewer::generate_password();
    HAKO_TRY(viewer_, MacViewer::start({.container = spec_.id,
                                        .folder = shown(),
                                        .places = request_.viewer,
                                        .password = password,
                                        .has_sound = has_sound,
                                        .starter = "docker start " + request_.name,
                                        .api = request_.api,
                                        .errors = log_->errors()},
                                       installation_));
    state_.lock()->viewer = viewer_->addresses();
    log_->say(fmt::format("The viewer is at {}", fmt::join(viewer_->addresses(), " and ")));
    log_->say(given ? "Its password is the one of PASSWORD" : "Its password is " + password);
    return {};
}

void MacSandbox::began(pid_t qemu, std::shared_ptr<vmm::QmpClient> qmp) {
    const auto self = identify_process(::getpid());
    const auto identity = identify_process(qemu);
    if (!self || !identity) return;
    if (auto written =
            runtime::write_shim_record(spec_.shim_record(), {.shim = *self, .qemu = *identity});
        !written)
        log_warn("{}", written.error().message());
    auto state = state_.lock();
    state->qemu = *identity;
    state->qmp = std::move(qmp);
    // Asked while there was nobody to ask.
    if (state->killed) (void)kill_process(*identity, kKill);
}

std::optional<ExitStatus> MacSandbox::ended_early(macos::ProgressFile& progress,
                                                  std::string_view doing) const {
    std::optional<ExitStatus> status;
    {
        auto state = state_.lock();
        if (!state->asked) return std::nullopt;
        status = ExitStatus{.signal = state->killed ? SIGKILL : *state->asked};
    }
    progress.enter(Stage::stopped,
                   fmt::format("The machine was stopped before macOS ran, while {}", doing));
    return status;
}

void MacSandbox::finish(const Result<ExitStatus>& ended) {
    // Whatever QEMU left.
    if (auto cleaned = vmm::cleanup_machine(spec_.id); !cleaned)
        log_warn("{}", cleaned.error().message());
    runtime::ExitRecord record{.exited_at = now()};
    if (ended) {
        record.code = ended->shell_code();
    } else {
        log_error("{}", ended.error().message());
        log_->end(ended.error().message());
        record.code = 1;
        record.reason = ended.error().message();
    }
    if (auto written = runtime::write_exit_record(spec_.container.exit_record, record); !written)
        log_error("{}", written.error().message());
    if (auto finished = log_->finish(); !finished) log_warn("{}", finished.error().message());
    auto state = state_.lock();
    state->qemu.reset();
    state->qmp.reset();
    state->exit = record;
    state->over = true;
    changed_.notify_all();
}

Result<WallTime> MacSandbox::start() {
    auto state = state_.lock();
    if (state->started || state->over)
        return fail(ErrorKind::conflict, "the machine was started already");
    state->started = now();
    changed_.notify_all();
    return *state->started;
}

std::string MacSandbox::why_killed(const State& state, int number) {
    if (!state.asked) return "macOS was killed";
    if (number == SIGINT) return std::string(macos::kAskedTwice);
    return macos::say_cut_off(std::chrono::steady_clock::now() - state.asked_at);
}

Result<void> MacSandbox::signal(int number) {
    auto state = state_.lock();
    if (!state->started || state->exit)
        return fail(ErrorKind::conflict, "the machine does not run");
    if (number == 0) return {};
    const bool kills = number == SIGKILL || (number == SIGINT && state->asked);
    giving_up_.request_stop();
    if (kills && !state->killed) state->why_killed = why_killed(*state, number);
    if (!state->asked) {
        state->asked_at = std::chrono::steady_clock::now();
        if (!kills) HAKO_CHECK(write_all(stop_.second.get(), "s"));
    }
    state->asked = number;
    if (!kills) return {};
    state->killed = true;
    return state->qemu ? kill_process(*state->qemu, kKill) : Result<void>();
}

Result<std::shared_ptr<vmm::QmpClient>> MacSandbox::qmp() const {
    auto state = state_.lock();
    if (!state->qmp)
        return fail(ErrorKind::conflict, "the machine is not up yet: `logs` tells how far it is");
    return state->qmp;
}

Result<void> MacSandbox::pause() {
    HAKO_TRY(const auto qmp, this->qmp());
    HAKO_TRY(const bool stands, macos::wants_room(*qmp));
    if (stands)
        return fail(ErrorKind::conflict,
                    "the machine stands still already, for the host's disk is full: `logs` tells "
                    "which");
    HAKO_CHECK(qmp->stop());
    state_.lock()->paused = true;
    return {};
}

Result<void> MacSandbox::resume() {
    HAKO_TRY(const auto qmp, this->qmp());
    HAKO_CHECK(qmp->cont());
    state_.lock()->paused = false;
    return {};
}

Result<Json> MacSandbox::status() const {
    auto state = state_.lock();
    HAKO_TRY(const auto progress, macos::read_progress(state->folder / macos::kProgressFile));
    auto answer = macos::to_json(progress.value_or(macos::Progress{}));
    answer["viewer"] = state->viewer.empty() ? "" : state->viewer.front();
    answer["viewers"] = state->viewer;
    return answer;
}

Result<CommandAnswer> MacSandbox::work_on_disks(const std::vector<std::string>& words) const {
    HAKO_TRY(const auto parsed, macos::parse_settings(request_.variables, macos::host_size()));
    HAKO_TRY([[maybe_unused]] const auto locks, lock_folders());
    return macshim::run_command({.folder = request_.storage / parsed.settings.version.number,
                                 .stopped = parsed.settings.disk_format},
                                words);
}

CommandAnswer MacSandbox::run_command(const std::vector<std::string>& words) {
    if (!state_.lock()->started) {
        auto answer = work_on_disks(words);
        return answer ? *std::move(answer) : CommandAnswer{1, "", answer.error().message()};
    }
    const auto folder = state_.lock()->folder;
    return macshim::run_command(
        {.qmp = [this] { return qmp(); },
         .folder = folder,
         .status = [this] { return status(); },
         .restore = [this](const std::string& name, bool memory) { return restore(name, memory); }},
        words);
}

std::optional<runtime::ExitRecord> MacSandbox::wait(milliseconds timeout) {
    auto state = state_.lock();
    changed_.wait_for(state.lock(), timeout, [&] { return state->exit.has_value(); });
    return state->exit;
}

Result<void> MacSandbox::shutdown(milliseconds grace) {
    const auto end = std::chrono::steady_clock::now() + grace;
    {
        auto state = state_.lock();
        if (!state->started) {
            state->over = true;
            changed_.notify_all();
        }
        if (state->over) return {};
    }
    if (grace.count() > 0) HAKO_CHECK(signal(SIGTERM));
    const auto is_over = [&](auto& state) { return state->over; };
    {
        auto state = state_.lock();
        changed_.wait_until(state.lock(), end, [&] { return is_over(state); });
        if (state->over) return {};
    }
    (void)signal(SIGKILL);
    auto state = state_.lock();
    if (changed_.wait_for(state.lock(), kKill, [&] { return is_over(state); })) return {};
    return fail(ErrorKind::deadline, "the machine did not end in time");
}

MacSandbox::Snapshot MacSandbox::snapshot() const {
    auto state = state_.lock();
    return {.pid = state->qemu ? state->qemu->pid : ::getpid(),
            .paused = state->paused,
            .started = state->started,
            .exit = state->exit};
}

}  // namespace hako::macshim
