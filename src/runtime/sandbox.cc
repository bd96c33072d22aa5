#include "runtime/sandbox.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/cpu_time.h"
#include "base/log.h"
#include "network/tap.h"
#include "vmm/emulator.h"
#include "vmm/qemu/arguments.h"

namespace hako::runtime {
namespace {

using std::chrono::milliseconds;

// For a guest to write its disk back; an emulated one on a busy host takes its time.
constexpr milliseconds kPowerOffGrace(30'000);
constexpr auto kQuitGrace = std::chrono::seconds(1);
constexpr milliseconds kTearDown(3'000);             // what ends a VM, beyond the power-off
constexpr auto kExecsEnd = std::chrono::seconds(2);  // they die with the first process
constexpr milliseconds kSocketsEnd(5'000);           // for what they wrote to sockets of the host
constexpr auto kVmEnd = std::chrono::seconds(2);     // between a broken channel and QEMU's exit
// A VM idles while for a minute nobody starts a process in it and it uses less of a processor than
// this.
constexpr int kIdlePercent = 3;
constexpr std::chrono::seconds kIdle(60);
constexpr std::string_view kEmulatorSerial = "emulator";

milliseconds time_until(std::chrono::steady_clock::time_point end) {
    const auto left = end - std::chrono::steady_clock::now();
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(left));
}

milliseconds idle_time() {
    const char* seconds = std::getenv("HAKO_IDLE_SECONDS");
    const int other = seconds != nullptr ? std::atoi(seconds) : 0;
    return other > 0 ? std::chrono::seconds(other) : kIdle;
}

// The others are plugged in when the container is prepared.
SandboxSpec with_a_slot_for_each_disk(SandboxSpec spec) {
    spec.machine.disks.resize(vmm::disks_with_a_slot(spec.machine));
    return spec;
}

}  // namespace

Sandbox::Sandbox(SandboxSpec spec, vmm::MachineOptions programs)
    : spec_(with_a_slot_for_each_disk(std::move(spec))),
      programs_(std::move(programs)),
      shares_(spec_.machine.shares),
      bell_(::eventfd(0, EFD_CLOEXEC)) {
    state_.lock()->waits = spec_.waits;
}

Sandbox::~Sandbox() = default;

void Sandbox::run() {
    if (const auto booted = boot(); booted) {
        for (const Fd& tap : taps_) network::release_tap(tap);
        taps_.clear();
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

// Whether the machine was started with it.
bool Sandbox::is_own_disk(const vmm::Disk& disk) const {
    return std::ranges::any_of(spec_.machine.disks, [&](const vmm::Disk& own) {
        return !own.bay && own.serial == disk.serial;
    });
}

Result<void> Sandbox::prepare_container(const Parts& vm, ContainerSpec spec) {
    std::error_code ignored;
    std::filesystem::remove(spec.exit_record, ignored);  // of the run before
    const std::string id = spec.id;
    const auto timer = trace_.time("prepare the container");
    HAKO_CHECK(attach_files(*vm.first, spec));
    const ContainerSpec files = spec;
    const auto prepare = [&]() -> Result<ContainerRef> {
        HAKO_CHECK(install_emulator(vm, spec));
        return Container::create(std::move(spec),
                                 {.agent = vm.second,
                                  .filters = filters_,
                                  .folder = spec_.folder,
                                  .trace = trace_,
                                  .slots = slots_,
                                  .published_sockets = spec_.published_sockets(),
                                  .explain_loss = [this] { return explain_loss(); },
                                  .on_change = [this] { ring(); }});
    };
    auto container = prepare();
    if (!container) {
        detach_files(*vm.first, files);
        return fail(container.error());
    }
    state_.lock()->containers[id] = *std::move(container);
    return {};
}

Result<void> Sandbox::install_emulator(const Parts& vm, const ContainerSpec& spec) {
    if (!spec.emulator) return {};
    const std::string& architecture = spec.emulator->architecture;
    if (state_.lock()->emulators.contains(architecture)) return {};
    HAKO_TRY(auto format, vmm::binary_format(architecture));
    const vmm::Disk disk{std::string(kEmulatorSerial), {spec.emulator->program}, true};
    HAKO_CHECK(vm.first->attach_disk(disk));
    auto installed = vm.second->install_emulator({.name = architecture,
                                                  .disk_serial = disk.serial,
                                                  .magic = std::move(format.magic),
                                                  .mask = std::move(format.mask)});
    // The guest has a copy.
    HAKO_CHECK(vm.first->detach_disk(disk.serial));
    if (installed) state_.lock()->emulators.insert(architecture);
    return installed;
}

// All that the container has of the host. Afterwards its first disks have the serials that the
// guest finds them by.
Result<void> Sandbox::attach_files(vmm::Machine& machine, ContainerSpec& spec) {
    HAKO_CHECK(shares_.take(spec.shares, [&](const auto& shares) {
        const auto timer = trace_.time("share its folders");
        return machine.add_shares(shares);
    }));
    auto attached = attach_disks(machine, spec);
    if (!attached) detach_files(machine, spec);
    return attached;
}

Result<void> Sandbox::attach_disks(vmm::Machine& machine, ContainerSpec& spec) {
    for (vmm::Disk* const disk : {&spec.rootfs, &spec.scratch}) {
        if (is_own_disk(*disk)) continue;
        HAKO_TRY(disk->serial, machine.insert_disk(*disk));
    }
    for (const auto* const more : {&spec.volumes, &spec.images})
        for (const vmm::Disk& disk : *more)
            if (!is_own_disk(disk)) HAKO_CHECK(machine.attach_disk(disk));
    return {};
}

void Sandbox::detach_disks(vmm::Machine& machine, const ContainerSpec& spec) {
    for (const auto& disk : disks_of(spec))
        if (!is_own_disk(disk))
            if (const auto detached = machine.detach_disk(disk.serial); !detached)
                log_warn("{}", detached.error().message());
}

void Sandbox::detach_files(vmm::Machine& machine, const ContainerSpec& spec) {
    detach_disks(machine, spec);
    const auto dropped =
        shares_.drop(spec.shares, [&](const auto& names) { return machine.remove_shares(names); });
    if (!dropped) log_warn("{}", dropped.error().message());
}

Result<Sandbox::ContainerRef> Sandbox::container(std::string_view id) const {
    auto state = state_.lock();
    const auto found = state->containers.find(id);
    if (found != state->containers.end()) return found->second;
    if (state->phase == Phase::booting) return fail(ErrorKind::conflict, "the VM is not ready");
    return fail(ErrorKind::not_found, "No such container in the VM: {}", id);
}

Result<void> Sandbox::add_container(ContainerSpec spec, NetworkSpec network) {
    const std::string id = spec.id;
    Parts vm;
    bool waited = false;
    {
        auto state = state_.lock();
        if (state->phase != Phase::ready || state->stop_grace)
            return fail(ErrorKind::conflict, "the VM is not ready, or it ends");
        if (state->paused)
            return fail(ErrorKind::conflict, "the VM is paused: unpause its container first");
        if (state->containers.contains(id) || !state->coming.insert(id).second)
            return fail(ErrorKind::conflict, "the VM runs container {} already", id);
        vm = {state->machine, state->agent};
        waited = std::exchange(state->waits, false);
    }
    const auto prepare = [&]() -> Result<void> {
        if (waited) HAKO_CHECK(end_wait(*vm.second, std::move(network)));
        return prepare_container(vm, std::move(spec));
    };
    auto prepared = prepare();
    state_.lock()->coming.erase(id);
    ring();
    return prepared;
}

Result<void> Sandbox::remove_container(const std::string& id) {
    HAKO_TRY(const auto container, this->container(id));
    const auto machine = state_.lock()->machine;
    auto removed = container->remove();
    detach_files(*machine, container->spec());
    state_.lock()->containers.erase(id);
    ring();
    return removed;
}

void Sandbox::ring() { ::eventfd_write(bell_.get(), 1); }

// From here on no container is added any more.
bool Sandbox::is_over() {
    auto state = state_.lock();
    if (state->stop_grace) return true;
    if (state->waits || !state->coming.empty()) return false;
    for (const auto& [id, container] : state->containers)
        if (!container->ended()) return false;
    state->phase = Phase::ending;
    return true;
}

// Its end may only be that of QEMU, which is just going. Else the guest would wait for its files
// for ever.
void Sandbox::end_without_shares(vmm::Machine& machine) {
    const auto ended = machine.wait(kVmEnd);
    if (ended && *ended) return;
    log_error("virtiofsd, which served the VM's folders, ended: so does the VM");
    if (const auto stopped = machine.stop(milliseconds(0)); !stopped)
        log_error("QEMU does not stop: {}", stopped.error().message());
}

// Until the last container has ended, QEMU is gone or somebody asked for the end.
void Sandbox::wait_for_end() {
    const auto machine = state_.lock()->machine;
    std::array<pollfd, 3> entries{
        {{.fd = machine->end_fd(), .events = POLLIN, .revents = 0},
         {.fd = bell_.get(), .events = POLLIN, .revents = 0},
         {.fd = machine->share_end_fd(), .events = POLLIN, .revents = 0}}};
    const milliseconds idle = idle_time();
    while (!is_over()) {
        const auto used = cpu_time_of(machine->pid());
        const int events = ::poll(entries.data(), entries.size(), static_cast<int>(idle.count()));
        // One that waits was rehearsed for the sake of its translations.
        if (events == 0 && !state_.lock()->waits &&
            (cpu_time_of(machine->pid()) - used) * 100 < idle * kIdlePercent)
            machine->give_up_translations();
        if (events <= 0) continue;
        if (entries[0].revents != 0) return;
        if (entries[2].revents != 0) return end_without_shares(*machine);
        eventfd_t rings = 0;
        ::eventfd_read(bell_.get(), &rings);
    }
}

// Only here is a VM powered off: a second party that ended it while the guest still writes its disk
// back would lose what the container wrote.
void Sandbox::tear_down() {
    const auto [containers, machine, agent, grace] = [&] {
        auto state = state_.lock();
        return std::tuple(state->containers, state->machine, state->agent,
                          state->stop_grace.value_or(kPowerOffGrace));
    }();
    // Together, not each: there may be many.
    const auto wait_for_processes = [&containers = containers] {
        const auto end = std::chrono::steady_clock::now() + kExecsEnd;
        for (const auto& [id, container] : containers)
            for (const auto& [name, process] : container->processes())
                if (process->started()) (void)process->wait(time_until(end));
    };
    if (!machine) return;
    // Asked to end while it stands still: it cannot power itself off.
    if (state_.lock()->paused) (void)machine->resume();
    if (agent && grace.count() > 0) {
        if (!stop_asked()) wait_for_processes();
        for (const auto& [id, container] : containers)
            container->finish_sockets(stop_asked() ? milliseconds(0) : kSocketsEnd);
        const auto deadline = std::chrono::steady_clock::now() + grace;
        (void)agent->power_off(grace);
        (void)machine->wait(time_until(deadline));
    }
    if (const auto stopped = machine->stop(kQuitGrace); !stopped)
        log_error("QEMU does not stop: {}", stopped.error().message());
    // Those that the VM took with it learn it from the broken channel; their logs get an end.
    wait_for_processes();
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

std::optional<Result<void>> Sandbox::wait_ready(milliseconds timeout) {
    auto state = state_.lock();
    changed_.wait_for(state.lock(), timeout, [&] { return state->phase != Phase::booting; });
    if (state->phase == Phase::booting) return std::nullopt;
    if (state->failure) return fail(*state->failure);
    return Result<void>();
}

Result<void> Sandbox::pause(std::string_view id) {
    HAKO_TRY(const auto container, this->container(id));
    if (state_.lock()->phase != Phase::ready)
        return fail(ErrorKind::conflict, "the VM is not ready");
    const auto frozen = container->freeze(true);
    auto state = state_.lock();
    if (state->containers.size() > 1 || !state->coming.empty()) return frozen;
    // Whatever its guest says to that, it stands still.
    if (state->stirs == 0) HAKO_CHECK(state->machine->pause());
    state->paused = true;
    return {};
}

Result<Sandbox::Stir> Sandbox::stir(const Container& container) {
    auto state = state_.lock();
    if (!state->paused) return Stir(nullptr, [](Sandbox*) {});
    if (!container.frozen())
        return fail(ErrorKind::conflict, "the VM is paused: unpause its container first");
    if (state->stirs == 0) HAKO_CHECK(state->machine->resume());
    ++state->stirs;
    return Stir(this, [](Sandbox* sandbox) { sandbox->settle(); });
}

void Sandbox::settle() {
    auto state = state_.lock();
    if (--state->stirs > 0 || !state->paused) return;
    if (const auto paused = state->machine->pause(); !paused)
        log_warn("{}", paused.error().message());
}

Result<void> Sandbox::resume(std::string_view id) {
    HAKO_TRY(const auto container, this->container(id));
    const auto agent = [&]() -> Result<std::shared_ptr<guest::AgentClient>> {
        auto state = state_.lock();
        if (state->phase != Phase::ready) return fail(ErrorKind::conflict, "the VM is not ready");
        if (!state->paused) return std::shared_ptr<guest::AgentClient>();
        HAKO_CHECK(state->machine->resume());
        state->paused = false;
        return state->agent;
    }();
    if (!agent) return fail(agent.error());
    // The guest's clock stood still as well. It runs in any case.
    if (*agent)
        if (const auto set = (*agent)->set_time(now()); !set)
            log_warn("the guest's clock is late: {}", set.error().message());
    return container->freeze(false);
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
    ring();
    auto state = state_.lock();
    if (!changed_.wait_for(state.lock(), grace + kTearDown,
                           [&] { return state->phase == Phase::gone; }))
        return fail(ErrorKind::deadline, "the VM did not end in time");
    return {};
}

Result<std::uint64_t> Sandbox::reclaim(std::uint64_t bytes) {
    const auto agent = [&] {
        auto state = state_.lock();
        return state->phase == Phase::ready && !state->paused ? state->agent : nullptr;
    }();
    if (!agent) return fail(ErrorKind::conflict, "the VM is not ready, or paused");
    return agent->reclaim(bytes);
}

Result<Sandbox::Snapshot> Sandbox::snapshot(std::string_view id) const {
    auto state = state_.lock();
    Snapshot snapshot{.qemu = state->machine ? state->machine->pid() : 0,
                      .paused = state->paused,
                      .processes = {}};
    if (const auto found = state->containers.find(id); found != state->containers.end()) {
        snapshot.paused |= found->second->frozen();
        snapshot.processes = found->second->processes();
    } else if (id != spec_.container.id || state->phase != Phase::booting) {
        return fail(ErrorKind::not_found, "No such container in the VM: {}", id);
    }
    return snapshot;
}

}  // namespace hako::runtime
