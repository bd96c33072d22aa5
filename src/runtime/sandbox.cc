#include "runtime/sandbox.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/log.h"
#include "runtime/guest_mounts.h"
#include "runtime/seccomp.h"
#include "runtime/shim_record.h"
#include "vmm/emulator.h"

namespace hako::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int kBootAttempts = 3;
// How long the end of a VM may come behind the end of its channel.
constexpr milliseconds kLastWords(200);
// For a guest to write its disk back; an emulated one on a busy host takes its time.
constexpr milliseconds kPowerOffGrace(30'000);
constexpr auto kQuitGrace = std::chrono::seconds(1);
constexpr milliseconds kTearDown(3'000);             // what ends a VM, beyond the power-off
constexpr auto kExecsEnd = std::chrono::seconds(2);  // they die with the first process
constexpr auto kVmEnd = std::chrono::seconds(2);     // between a broken channel and QEMU's exit
constexpr std::size_t kEntropyBytes = 64;

// config.json's `process`, as a text of its own.
Result<std::string> process_of(const std::string& oci_spec) {
    HAKO_TRY(const auto json, with_context(parse_json(oci_spec), "config.json"));
    HAKO_TRY(const auto process, json_field<Json>(json, "process"));
    if (!process) return fail(ErrorKind::invalid, "config.json has no process");
    return dump_json(*process);
}

}  // namespace

Sandbox::Sandbox(SandboxSpec spec, std::vector<std::string> jail)
    : spec_(std::move(spec)), jail_(std::move(jail)), bell_(::eventfd(0, EFD_CLOEXEC)) {}

Sandbox::~Sandbox() = default;

void Sandbox::run() {
    if (const auto booted = boot(); booted) {
        enter(Phase::ready);
        wait_for_end();
    } else if (stop_asked()) {
        enter(Phase::failed, Error(ErrorKind::cancelled, "the VM was stopped while it started"));
    } else {
        log_error("{}", booted.error().message());
        enter(Phase::failed, booted.error());
    }
    tear_down();
    enter(Phase::gone);
}

Result<void> Sandbox::boot() {
    std::error_code ignored;
    std::filesystem::remove(spec_.exit_record, ignored);  // of the run before
    for (int attempt = 1;; ++attempt) {
        auto booted = boot_once();
        if (booted) return booted;
        const auto machine = state_.lock()->machine;
        // Nothing of the user's has run yet. A guest that fell while it booted gets another try:
        // emulated processors are not perfect. A VM that hangs or is refused does not.
        const auto ended = machine ? machine->wait(kLastWords)
                                   : Result<std::optional<vmm::MachineEnd>>(std::nullopt);
        auto state = state_.lock();
        if (attempt == kBootAttempts || state->stop_grace || !ended || !*ended) return booted;
        log_warn("boot {} of {} failed, trying again: {}", attempt, kBootAttempts,
                 booted.error().message());
        state->processes.clear();
        state->agent.reset();
        state->machine.reset();
    }
}

Result<void> Sandbox::boot_once() {
    HAKO_TRY(const auto self, identify_process(::getpid()));
    const auto begun = std::chrono::steady_clock::now();
    HAKO_TRY(auto started, vmm::Machine::start(
                               spec_.machine, {.jail = jail_, .console_log = spec_.console_log()}));
    const std::shared_ptr<vmm::Machine> machine = std::move(started);
    {
        auto state = state_.lock();
        if (state->stop_grace) return fail(ErrorKind::cancelled, "the VM is not wanted any more");
        state->machine = machine;
    }
    HAKO_TRY(const auto qemu, identify_process(machine->pid()));
    HAKO_CHECK(write_shim_record(spec_.shim_record(), {.shim = self, .qemu = qemu}));

    // While the guest boots, there is time.
    HAKO_TRY(auto process, process_of(spec_.oci_spec));
    if (spec_.seccomp) {
        HAKO_TRY([[maybe_unused]] const auto filter, seccomp_filter(process));
    }
    const auto deadline = spec_.boot_deadline.count() > 0
                              ? spec_.boot_deadline
                              : vmm::agent_deadline(spec_.machine.accelerator);
    const auto reach_agent = [&]() -> Result<std::shared_ptr<guest::AgentClient>> {
        HAKO_TRY(Fd channel, machine->take_agent_channel(deadline));
        HAKO_TRY(std::shared_ptr<guest::AgentClient> agent,
                 guest::AgentClient::connect(std::move(channel)));
        HAKO_TRY(const auto info, agent->info(deadline));
        const auto took = std::chrono::steady_clock::now() - begun;
        log_info("vminitd {} on kernel {}: agent answered after {} ms", info.version,
                 info.kernel_release, std::chrono::duration_cast<milliseconds>(took).count());
        return agent;
    };
    const auto agent = reach_agent();
    if (!agent) {
        // Its end may be just behind the broken channel; the console says why.
        (void)machine->wait(kLastWords);
        return fail(machine->explain(agent.error().kind(),
                                     "the VM does not start: " + agent.error().message()));
    }
    state_.lock()->agent = *agent;
    HAKO_CHECK(prepare_guest(**agent));
    return prepare_container(**agent, std::move(process));
}

Result<void> Sandbox::prepare_guest(guest::AgentClient& agent) {
    HAKO_CHECK(agent.set_time(now()));
    std::array<std::byte, kEntropyBytes> entropy{};
    if (::getrandom(entropy.data(), entropy.size(), 0) != static_cast<ssize_t>(entropy.size()))
        return fail_errno(errno, "cannot read random bytes");
    HAKO_CHECK(agent.add_entropy(entropy));
    if (spec_.emulated.empty()) return {};
    HAKO_TRY(auto format, vmm::binary_format(spec_.emulated));
    return agent.install_emulator({.name = spec_.emulated,
                                   .disk_serial = std::string(kEmulatorSerial),
                                   .magic = std::move(format.magic),
                                   .mask = std::move(format.mask)});
}

Result<void> Sandbox::prepare_container(guest::AgentClient& agent, std::string process) {
    HAKO_CHECK(agent.mount(container_mounts(spec_.id)));
    HAKO_CHECK(
        agent.create_container({.id = spec_.id, .config = spec_.oci_spec, .files = spec_.files}));
    HAKO_TRY([[maybe_unused]] const auto first,
             create_process(spec_.id, std::move(process), spec_.open_stdin, spec_.seccomp));
    return {};
}

Result<Sandbox::ProcessRef> Sandbox::create_process(const std::string& id, std::string process,
                                                    bool open_stdin, bool seccomp) {
    HAKO_TRY(const auto agent, this->agent());
    const bool is_first = id == spec_.id;
    std::string filter;
    if (seccomp) {
        HAKO_TRY(filter, seccomp_filter(process));
    }
    ContainerProcess::Setup setup{
        .spec = {.id = {.container = spec_.id, .process = id},
                 .process = std::move(process),
                 .seccomp_bpf = std::move(filter),
                 .open_stdin = open_stdin},
        .log = is_first ? spec_.log : spec_.exec_log(id),
        .log_limits = is_first ? spec_.log_limits : LogLimits(),
        .explain_loss = [this] { return explain_loss(); },
    };
    if (is_first)
        setup.on_exit = [this](const ExitRecord& record) {
            if (const auto kept = write_exit_record(spec_.exit_record, record); !kept)
                log_error("the exit record is lost: {}", kept.error().message());
            ::eventfd_write(bell_.get(), 1);
        };
    HAKO_TRY(ProcessRef made, ContainerProcess::create(*agent, std::move(setup)));
    state_.lock()->processes[id] = made;
    return made;
}

Result<std::string> Sandbox::seccomp_filter(const std::string& process) {
    HAKO_TRY(const auto capabilities, capabilities_of(process));
    auto filters = filters_.lock();
    const auto known = filters->find(capabilities);
    if (known != filters->end()) return known->second;
    HAKO_TRY(auto filter, default_seccomp_filter(capabilities));
    return filters->emplace(capabilities, std::move(filter)).first->second;
}

// Until the first process ended, QEMU is gone or somebody asked for the end.
void Sandbox::wait_for_end() {
    const auto machine = state_.lock()->machine;
    std::array<pollfd, 2> entries{{{.fd = machine->end_fd(), .events = POLLIN, .revents = 0},
                                   {.fd = bell_.get(), .events = POLLIN, .revents = 0}}};
    while (::poll(entries.data(), entries.size(), -1) < 0 && errno == EINTR) {
    }
}

// Only here is a VM powered off: a second party that ended it while the guest still writes its disk
// back would lose what the container wrote.
void Sandbox::tear_down() {
    const auto [processes, machine, agent, grace] = [&] {
        auto state = state_.lock();
        return std::tuple(state->processes, state->machine, state->agent,
                          state->stop_grace.value_or(kPowerOffGrace));
    }();
    if (!machine) return;
    // Asked to end while it stands still: it cannot power itself off.
    if (state_.lock()->paused) (void)machine->resume();
    if (agent && grace.count() > 0) {
        if (!stop_asked())
            for (const auto& [id, process] : processes)
                if (process->started()) (void)process->wait(kExecsEnd);
        const auto deadline = std::chrono::steady_clock::now() + grace;
        (void)agent->power_off(grace);
        const auto left = deadline - std::chrono::steady_clock::now();
        (void)machine->wait(
            std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(left)));
    }
    if (const auto stopped = machine->stop(kQuitGrace); !stopped)
        log_error("QEMU does not stop: {}", stopped.error().message());
    // Those that the VM took with it learn it from the broken channel; their logs get an end.
    for (const auto& [id, process] : processes)
        if (process->started()) (void)process->wait(kExecsEnd);
}

void Sandbox::enter(Phase phase, std::optional<Error> failure) {
    auto state = state_.lock();
    state->phase = phase;
    if (failure) state->failure = std::move(failure);
    changed_.notify_all();
}

std::string Sandbox::explain_loss() const {
    const auto machine = state_.lock()->machine;
    if (stop_asked()) return "the VM was shut down";
    const auto end = machine->wait(kVmEnd);
    if (end && *end) return (*end)->reason;
    return machine->explain(ErrorKind::unavailable, "the guest agent does not answer").message();
}

std::string Sandbox::process_id(std::string_view process) const {
    return process.empty() ? spec_.id : std::string(process);
}

std::optional<Result<void>> Sandbox::wait_ready(milliseconds timeout) {
    auto state = state_.lock();
    changed_.wait_for(state.lock(), timeout, [&] { return state->phase != Phase::booting; });
    if (state->phase == Phase::booting) return std::nullopt;
    if (state->failure) return fail(*state->failure);
    return Result<void>();
}

Result<std::shared_ptr<guest::AgentClient>> Sandbox::agent() const {
    auto state = state_.lock();
    if (!state->agent) return fail(ErrorKind::conflict, "the VM is not ready");
    return state->agent;
}

Result<Sandbox::ProcessRef> Sandbox::process(std::string_view id) const {
    auto state = state_.lock();
    const auto found = state->processes.find(process_id(id));
    if (found == state->processes.end())
        return fail(ErrorKind::not_found, "No such process in the VM: {}", process_id(id));
    return found->second;
}

Result<void> Sandbox::exec(const std::string& id, std::string process, bool open_stdin,
                           bool privileged) {
    // The id names a file.
    if (id.empty() || !std::ranges::all_of(id, [](unsigned char c) { return std::isalnum(c); }))
        return fail(ErrorKind::invalid, "'{}' cannot name an exec", id);
    {
        auto state = state_.lock();
        if (state->phase != Phase::ready)
            return fail(ErrorKind::conflict, "the container is not running");
        if (state->processes.contains(id))
            return fail(ErrorKind::conflict, "the exec '{}' exists already", id);
    }
    HAKO_TRY([[maybe_unused]] const auto made,
             create_process(id, std::move(process), open_stdin, spec_.seccomp && !privileged));
    return {};
}

Result<void> Sandbox::delete_exec(const std::string& id) {
    HAKO_TRY(const auto found, process(id));
    if (found->id().process == spec_.id)
        return fail(ErrorKind::invalid, "the container's first process is no exec");
    if (found->started() && !found->exit())
        return fail(ErrorKind::conflict, "the exec {} is running", id);
    state_.lock()->processes.erase(id);
    std::error_code ignored;
    std::filesystem::remove(found->log_path(), ignored);
    HAKO_TRY(const auto agent, this->agent());
    return agent->delete_process(found->id());
}

Result<void> Sandbox::signal(std::string_view process, int number, bool all) {
    HAKO_TRY(const auto found, this->process(process));
    HAKO_TRY(const auto agent, this->agent());
    return agent->signal(found->id(), number, all);
}

Result<void> Sandbox::resize(std::string_view process, unsigned columns, unsigned rows) {
    HAKO_TRY(const auto found, this->process(process));
    HAKO_TRY(const auto agent, this->agent());
    return agent->resize(found->id(), columns, rows);
}

Result<void> Sandbox::pause() {
    auto state = state_.lock();
    if (state->phase != Phase::ready) return fail(ErrorKind::conflict, "the VM is not ready");
    HAKO_CHECK(state->machine->pause());
    state->paused = true;
    return {};
}

Result<void> Sandbox::resume() {
    const auto agent = [&]() -> Result<std::shared_ptr<guest::AgentClient>> {
        auto state = state_.lock();
        if (state->phase != Phase::ready) return fail(ErrorKind::conflict, "the VM is not ready");
        HAKO_CHECK(state->machine->resume());
        state->paused = false;
        return state->agent;
    }();
    if (!agent) return fail(agent.error());
    // The guest's clock stood still as well. It runs in any case.
    if (const auto set = (*agent)->set_time(now()); !set)
        log_warn("the guest's clock is late: {}", set.error().message());
    return {};
}

Result<void> Sandbox::shutdown(milliseconds grace) {
    const auto machine = [&] {
        auto state = state_.lock();
        state->stop_grace = grace;
        // While it boots, nothing of the user's has run that could be lost.
        const bool kills = grace.count() == 0 || state->phase == Phase::booting;
        return kills ? state->machine : nullptr;
    }();
    if (machine) HAKO_CHECK(machine->stop(milliseconds(0)));
    ::eventfd_write(bell_.get(), 1);
    auto state = state_.lock();
    if (!changed_.wait_for(state.lock(), grace + kTearDown,
                           [&] { return state->phase == Phase::gone; }))
        return fail(ErrorKind::deadline, "the VM did not end in time");
    return {};
}

Sandbox::Snapshot Sandbox::snapshot() const {
    auto state = state_.lock();
    return {.qemu = state->machine ? state->machine->pid() : 0,
            .paused = state->paused,
            .processes = state->processes};
}

}  // namespace hako::runtime
