#include <csignal>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/names.h"

namespace hako::engine {
namespace {

constexpr int kDefaultStopTimeout = 10;  // seconds, as Docker's
// From SIGKILL to the record of the exit; past it the VM itself is ended.
constexpr std::chrono::seconds kKillDeadline{10};

struct Run {
    std::shared_ptr<runtime::ShimClient> shim;
    std::string vm;
    std::uint64_t ends = 0;  // before the end of this run
    std::string name;
    std::string stop_signal;
    std::optional<int> stop_timeout;
};

std::optional<Run> current_run(const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (!live->running()) return std::nullopt;
    const ContainerConfig& config = live->container.config;
    return Run{live->shim,           live->vm_id(),      live->ends,
               live->container.name, config.stop_signal, config.stop_timeout};
}

// True when the run has ended; no time-out waits for ever. ErrorKind::cancelled when the daemon
// ends.
Result<bool> wait_for_end(Context& context, const EntryPtr& entry, const Run& run,
                          std::optional<std::chrono::seconds> timeout) {
    auto live = entry->live.lock();
    const auto ended = [&] { return live->ends != run.ends; };
    const std::stop_token stop = context.closing.get_token();
    const bool has_ended = timeout ? entry->changed.wait_for(live.lock(), stop, *timeout, ended)
                                   : entry->changed.wait(live.lock(), stop, ended);
    if (!has_ended && stop.stop_requested()) return fail(ErrorKind::cancelled, "the daemon ends");
    return has_ended;
}

Result<int> stop_signal(const Run& run, const StopOptions& options) {
    if (!options.signal.empty()) return parse_signal(options.signal);
    return parse_signal(run.stop_signal.empty() ? "SIGTERM" : run.stop_signal);
}

// Its restart policy is to leave it alone.
void mark_stopped(const EntryPtr& entry) {
    entry->live.lock()->container.state.stopped_by_user = true;
}

Result<void> signal_run(Context& context, const EntryPtr& entry, const Run& run, int signal) {
    // Told first: its end may come at once.
    emit(context, entry, "kill", {{"signal", std::to_string(signal)}});
    return run.shim->signal("", signal, false);
}

void send(Context& context, const EntryPtr& entry, const Run& run, int signal) {
    // A process or a VM that is gone already is what is wanted.
    if (auto sent = signal_run(context, entry, run, signal); !sent)
        log_debug("container {}: signal {}: {}", run.name, signal, sent.error().message());
}

Result<void> kill_run(Context& context, const EntryPtr& entry, const Run& run) {
    // A guest that stands still takes no signals.
    if (auto runs = unpause_container(context, entry); !runs)
        log_warn("container {}: {}", run.name, runs.error().message());
    send(context, entry, run, SIGKILL);
    HAKO_TRY(const bool killed, wait_for_end(context, entry, run, kKillDeadline));
    if (killed) return {};
    log_warn("container {} does not answer SIGKILL: its VM is ended", run.name);
    HAKO_CHECK(context.world.sandboxes->cleanup(run.vm, context.layout.container_log(entry->id)));
    HAKO_TRY(const bool ended, wait_for_end(context, entry, run, kKillDeadline));
    if (ended) return {};
    return fail(ErrorKind::deadline, "container {} cannot be killed", run.name);
}

}  // namespace

Result<void> stop_container(Context& context, const EntryPtr& entry, const StopOptions& options) {
    if (const auto run = current_run(entry)) {
        HAKO_TRY(const int signal, stop_signal(*run, options));
        const int seconds =
            options.timeout_seconds.value_or(run->stop_timeout.value_or(kDefaultStopTimeout));
        std::optional<std::chrono::seconds> timeout;
        if (seconds >= 0) timeout = std::chrono::seconds(seconds);
        mark_stopped(entry);
        HAKO_CHECK(unpause_container(context, entry));
        send(context, entry, *run, signal);
        HAKO_TRY(const bool ended, wait_for_end(context, entry, *run, timeout));
        if (!ended) HAKO_CHECK(kill_run(context, entry, *run));
        emit(context, entry, "stop");
    }
    return wait_for_sandbox_end(context, entry);
}

Result<void> Engine::stop(std::string_view container, const StopOptions& options) {
    if (!options.signal.empty()) HAKO_CHECK(parse_signal(options.signal));
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    if (cancel_restart(*context_, entry)) return {};
    const std::lock_guard operation(entry->operation);
    // A restart may have begun, or failed, meanwhile.
    if (cancel_restart(*context_, entry)) return {};
    if (!current_run(entry))
        return fail(ErrorKind::not_modified, "container {} does not run", container);
    return stop_container(*context_, entry, options);
}

// Without the operation lock: it ends a stop that waits for its grace time.
Result<void> Engine::kill(std::string_view container, std::string_view signal) {
    HAKO_TRY(const int number, parse_signal(signal.empty() ? "SIGKILL" : signal));
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const auto run = current_run(entry);
    if (!run && cancel_restart(*context_, entry)) return {};
    if (!run)
        return fail(ErrorKind::conflict, "cannot kill container: {}: container {} is not running",
                    container, entry->id);
    HAKO_TRY(const int stop, stop_signal(*run, {}));
    if (number == SIGKILL || number == stop) {
        mark_stopped(entry);
        HAKO_CHECK(unpause_container(*context_, entry));
    }
    if (number == SIGKILL) return kill_run(*context_, entry, *run);
    HAKO_CHECK(check_not_paused(entry));
    return signal_run(*context_, entry, *run, number);
}

}  // namespace hako::engine
