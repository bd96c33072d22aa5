#include "base/log.h"
#include "engine/context.h"
#include "engine/restart.h"
#include "engine/shares.h"

namespace hako::engine {
namespace {

// For the guest to write its disk back and power off.
constexpr std::chrono::milliseconds kPowerOffGrace{30'000};
// For whatever is left of a sandbox to go, before another verb gives up on it.
constexpr std::chrono::seconds kSandboxEndDeadline{60};

// The shim left before it could tell: its record says how the process ended, if it got so far.
runtime::ExitRecord exit_of_lost_sandbox(const Context& context, const std::string& id,
                                         const Error& error) {
    if (auto record = runtime::read_exit_record(context.layout.container_exit(id)); !record)
        log_warn("container {}: {}", id, record.error().message());
    else if (*record) return **record;
    return {.code = 137,
            .exited_at = now(),
            .reason = fmt::format("the virtual machine's shim has ended unexpectedly: {}",
                                  error.message())};
}

// Whether nobody will miss what its guest has not written yet. Then it is not started any more.
bool gives_up_disks(const EntryPtr& entry) {
    auto live = entry->live.lock();
    const Container& container = live->container;
    if (!container.host_config.auto_remove || live->restarts || !volume_disks(container).empty())
        return false;
    live->container.state.status = Status::removing;
    return true;
}

void remove_after_exit(Context& context, const EntryPtr& entry) {
    const std::lock_guard operation(entry->operation);
    {
        auto live = entry->live.lock();
        if (live->removed || live->running() || live->shim) return;
    }
    if (auto removed = remove_container(context, entry, true); !removed)
        log_warn("container {}: {}", entry->id, removed.error().message());
}

}  // namespace

void record_exit(Context& context, const EntryPtr& entry, const runtime::ExitRecord& exit) {
    auto live = entry->live.lock();
    ContainerState& state = live->container.state;
    state.status = Status::exited;
    state.pid = 0;
    state.exit_code = exit.code;
    state.oom_killed = exit.oom_killed;
    state.error = exit.reason;
    state.finished_at = exit.exited_at == WallTime{} ? now() : exit.exited_at;
    if (restarts_after_exit(live->container.host_config, state)) {
        state.status = Status::restarting;
        live->back_off =
            next_back_off(live->back_off, std::chrono::steady_clock::now() - live->begun);
    }
    // Unsaved, the next daemon finds the exit record instead.
    if (auto saved = context.store.save_state(entry->id, state); !saved)
        log_error("container {}: {}", entry->id, saved.error().message());
    // Those that run hear of it from their own wait.
    for (auto& [id, exec] : live->execs)
        if (!exec.exec.running && !exec.ended_at) exec.ended_at = std::chrono::steady_clock::now();
    live->last_end = {exit.code, exit.reason};
    ++live->ends;
    if (exit.oom_killed) emit(context, live->container, "oom");
    const auto ran =
        std::chrono::duration_cast<std::chrono::seconds>(state.finished_at - state.started_at);
    emit_mounts(context, live->container, "unmount");
    emit(context, live->container, "die",
         {{"exitCode", std::to_string(exit.code)}, {"execDuration", std::to_string(ran.count())}});
    entry->changed.notify_all();
}

Result<void> wait_for_sandbox_end(Context& context, const EntryPtr& entry) {
    end_files_vm(context, entry);
    auto live = entry->live.lock();
    if (entry->changed.wait_for(live.lock(), context.closing.get_token(), kSandboxEndDeadline,
                                [&] { return !live->shim; }))
        return {};
    if (context.closing.stop_requested()) return fail(ErrorKind::cancelled, "the daemon ends");
    return fail(ErrorKind::deadline, "the last virtual machine of container {} is still there",
                live->container.name);
}

void watch_container(Context& context, const EntryPtr& entry) {
    context.tasks.launch("watch", [&context, entry](std::stop_token stop) {
        const auto shim = entry->live.lock()->shim;
        const auto exit = shim->wait("", stop);
        if (!exit && stop.stop_requested()) return;
        const auto trace = context.traces.of(entry->id);
        if (exit)
            trace->add("run", entry->live.lock()->container.state.started_at, exit->exited_at);
        auto timer = std::make_optional<Trace::Timer>(*trace, "record its exit");
        record_exit(context, entry,
                    exit ? *exit : exit_of_lost_sandbox(context, entry->id, exit.error()));
        timer.emplace(*trace, "end the VM");
        if (exit && gives_up_disks(entry)) abandon_vm(context, entry);
        else remove_from_vm(context, entry, kPowerOffGrace);
        timer.reset();
        if (entry->live.lock()->container.host_config.auto_remove)
            remove_after_exit(context, entry);
        restart_when_due(context, entry, stop);
    });
}

}  // namespace hako::engine
