// Runs a container's health check for as long as the container runs.
#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "engine/context.h"
#include "engine/health.h"

namespace hako::engine {
namespace {

constexpr std::size_t kKeptOutput = 4096;
// From SIGKILL to the end of a probe that took too long.
constexpr std::chrono::seconds kKillDeadline{10};
// How long the end of a container may be heard of after that of its probe.
constexpr std::chrono::seconds kEndGrace{1};

// One run of the container.
struct Run {
    EntryPtr entry;
    HealthCheck check;
    std::uint64_t ends = 0;
    // By a clock that nobody sets.
    std::chrono::steady_clock::time_point started_at;

    std::chrono::nanoseconds ran() const { return std::chrono::steady_clock::now() - started_at; }
    bool over(const Entry::Live& live) const { return live.removed || live.ends != ends; }
};

std::string read_output(OutputStream& output, const std::stop_token& stop) {
    std::string text;
    for (auto chunk = output.next(stop); chunk && *chunk; chunk = output.next(stop))
        if (text.size() < kKeptOutput) text += (*chunk)->data;
    text.resize(std::min(text.size(), kKeptOutput));
    return text;
}

// True when the exec has ended by then.
bool wait_for_exec(const Run& run, const std::string& exec, const std::stop_token& stop,
                   std::chrono::nanoseconds timeout) {
    auto live = run.entry->live.lock();
    return run.entry->changed.wait_for(live.lock(), stop, timeout, [&] {
        const auto found = live->execs.find(exec);
        return run.over(*live) || found == live->execs.end() || found->second.ended_at.has_value();
    });
}

std::optional<int> exit_code_of(const Run& run, const std::string& exec) {
    auto live = run.entry->live.lock();
    const auto found = live->execs.find(exec);
    return found == live->execs.end() ? std::nullopt : found->second.exec.exit_code;
}

void kill_exec(const Run& run, const std::string& exec, const std::stop_token& stop) {
    if (const auto shim = run.entry->live.lock()->shim)
        if (auto killed = shim->signal(exec, SIGKILL, false); !killed)
            log_debug("health check {}: {}", exec, killed.error().message());
    wait_for_exec(run, exec, stop, kKillDeadline);
}

Result<HealthState::Probe> run_probe(Context& context, const Run& run,
                                     const std::stop_token& stop) {
    HealthState::Probe probe{.start = now(), .exit_code = -1};
    HAKO_TRY(const std::string exec,
             create_exec(
                 context, run.entry,
                 {.cmd = health_command(run.check), .attach_stdout = true, .attach_stderr = true}));
    auto session = start_exec(context, exec, {});
    if (!session) {
        probe.output = session.error().message();
        probe.end = now();
        return probe;
    }
    const auto timeout = health_timeout(run.check);
    const bool ended = wait_for_exec(run, exec, stop, timeout);
    if (!ended) kill_exec(run, exec, stop);
    probe.output = read_output(*session->output, stop);
    probe.end = now();
    if (ended) probe.exit_code = exit_code_of(run, exec).value_or(-1);
    else
        probe.output = fmt::format(
            "Health check exceeded timeout ({} ms): {}",
            std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count(), probe.output);
    return probe;
}

// False when the run is over.
bool wait_for_next(const Run& run, const std::stop_token& stop) {
    auto live = run.entry->live.lock();
    if (!live->container.health) return false;
    const auto interval = health_interval(run.check, *live->container.health, run.ran());
    const bool over =
        run.entry->changed.wait_for(live.lock(), stop, interval, [&] { return run.over(*live); });
    return !over && !stop.stop_requested();
}

bool ends_soon(const Run& run, const std::stop_token& stop) {
    auto live = run.entry->live.lock();
    return run.entry->changed.wait_for(live.lock(), stop, kEndGrace,
                                       [&] { return run.over(*live); });
}

void record_probe(Context& context, const Run& run, HealthState::Probe probe,
                  std::chrono::nanoseconds ran) {
    auto live = run.entry->live.lock();
    if (run.over(*live) || !live->container.health) return;
    HealthState& health = *live->container.health;
    if (apply_probe(run.check, std::move(probe), ran, health))
        emit(context, live->container, fmt::format("health_status: {}", to_string(health.status)));
    run.entry->changed.notify_all();
}

}  // namespace

void watch_health(Context& context, const EntryPtr& entry) {
    Run run{.entry = entry};
    {
        auto live = entry->live.lock();
        const auto& check = live->container.config.healthcheck;
        if (!check || check->test.front() == "NONE") return;
        live->container.health.emplace();
        run.check = *check;
        run.ends = live->ends;
        // With a new daemon, it has run for a while.
        const auto ran = std::max(now() - live->container.state.started_at, WallTime::duration());
        run.started_at = std::chrono::steady_clock::now() - ran;
    }
    context.tasks.launch("health", [&context, run](const std::stop_token& stop) {
        while (wait_for_next(run, stop)) {
            if (run.entry->live.lock()->has_status(Status::paused)) continue;
            const auto ran = run.ran();
            auto probe = run_probe(context, run, stop);
            if (stop.stop_requested()) return;
            if (!probe)
                probe = HealthState::Probe{.start = now(),
                                           .end = now(),
                                           .exit_code = -1,
                                           .output = probe.error().message()};
            // The end of a container kills its probes first, and is heard of last.
            const bool cut_off = probe->exit_code == -1 || probe->exit_code == 128 + SIGKILL;
            if (cut_off && ends_soon(run, stop)) return;
            record_probe(context, run, *std::move(probe), ran);
        }
    });
}

}  // namespace hako::engine
