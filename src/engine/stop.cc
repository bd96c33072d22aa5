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
    std::uint64_t ends = 0;  // before the end of this run
    std::string name;
    std::string stop_signal;
    std::optional<int> stop_timeout;
};

std::optional<Run> current_run(const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (!live->running()) return std::nullopt;
    const ContainerConfig& config = live->container.config;
    return Run{live->shim, live->ends, live->container.name, config.stop_signal,
               config.stop_timeout};
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

void send(const Run& run, int signal) {
    // A process or a VM that is gone already is what is wanted.
    if (auto sent = run.shim->signal("", signal, false); !sent)
        log_debug("container {}: signal {}: {}", run.name, signal, sent.error().message());
}

Result<void> kill_run(Context& context, const EntryPtr& entry, const Run& run) {
    send(run, SIGKILL);
    HAKO_TRY(const bool killed, wait_for_end(context, entry, run, kKillDeadline));
    if (killed) return {};
    log_warn("container {} does not answer SIGKILL: its VM is ended", run.name);
    HAKO_CHECK(
        context.world.sandboxes->cleanup(entry->id, context.layout.container_log(entry->id)));
    HAKO_TRY(const bool ended, wait_for_end(context, entry, run, kKillDeadline));
    if (ended) return {};
    return fail(ErrorKind::deadline, "container {} cannot be killed", run.name);
}

}  // namespace

Result<void> stop_container(Context& context, const EntryPtr& entry,
                            std::optional<int> timeout_seconds) {
    const auto run = current_run(entry);
    if (run) {
        HAKO_TRY(const int signal,
                 parse_signal(run->stop_signal.empty() ? "SIGTERM" : run->stop_signal));
        const int seconds =
            timeout_seconds.value_or(run->stop_timeout.value_or(kDefaultStopTimeout));
        std::optional<std::chrono::seconds> timeout;
        if (seconds >= 0) timeout = std::chrono::seconds(seconds);
        send(*run, signal);
        HAKO_TRY(const bool ended, wait_for_end(context, entry, *run, timeout));
        if (!ended) HAKO_CHECK(kill_run(context, entry, *run));
    }
    return wait_for_sandbox_end(context, entry);
}

Result<void> Engine::stop(std::string_view container, std::optional<int> timeout_seconds) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    if (!current_run(entry))
        return fail(ErrorKind::not_modified, "container {} does not run", container);
    return stop_container(*context_, entry, timeout_seconds);
}

// Without the operation lock: it ends a stop that waits for its grace time.
Result<void> Engine::kill(std::string_view container, std::string_view signal) {
    HAKO_TRY(const int number, parse_signal(signal.empty() ? "SIGKILL" : signal));
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const auto run = current_run(entry);
    if (!run)
        return fail(ErrorKind::conflict, "cannot kill container: {}: container {} is not running",
                    container, entry->id);
    if (number == SIGKILL) return kill_run(*context_, entry, *run);
    return run->shim->signal("", number, false);
}

}  // namespace hako::engine
