#include "engine/restart.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "base/log.h"
#include "engine/context.h"

namespace hako::engine {
namespace {

constexpr std::chrono::milliseconds kLeastBackOff{100};
constexpr std::chrono::milliseconds kMostBackOff{60'000};
constexpr std::chrono::seconds kGoodRun{10};

bool wants_restart(const HostConfig& policy, const ContainerState& ended) {
    if (policy.restart_policy == "always") return true;
    if (policy.restart_policy == "unless-stopped") return !ended.stopped_by_user;
    if (policy.restart_policy != "on-failure" || ended.exit_code == 0) return false;
    return policy.restart_retries == 0 || ended.restart_count < policy.restart_retries;
}

// One attempt; true when there is nothing left to do.
bool try_restart(Context& context, const EntryPtr& entry) {
    const std::lock_guard operation(entry->operation);
    {
        auto live = entry->live.lock();
        if (!live->has_status(Status::restarting)) return true;
        ++live->container.state.restart_count;
    }
    return start_container(context, entry).has_value();
}

}  // namespace

bool restarts_after_exit(const HostConfig& policy, const ContainerState& ended) {
    return !ended.stopped_by_user && wants_restart(policy, ended);
}

bool restarts_with_daemon(const HostConfig& policy, const ContainerState& ended) {
    if (ended.started_at == WallTime{}) return false;  // it never ran
    return policy.restart_policy == "always" || restarts_after_exit(policy, ended);
}

std::chrono::milliseconds next_back_off(std::chrono::milliseconds last,
                                        std::chrono::steady_clock::duration ran) {
    if (last.count() == 0 || ran >= kGoodRun) return kLeastBackOff;
    return std::min(2 * last, kMostBackOff);
}

Result<void> check_restart_policy(const HostConfig& config) {
    constexpr std::array<std::string_view, 5> kKnown{"", "no", "always", "on-failure",
                                                     "unless-stopped"};
    const std::string& name = config.restart_policy;
    if (std::ranges::find(kKnown, name) == kKnown.end())
        return fail(ErrorKind::invalid,
                    "invalid RestartPolicy: unknown policy '{}'; use one of 'no', 'always', "
                    "'on-failure', or 'unless-stopped'",
                    name.substr(0, 64));
    if (config.restart_retries < 0)
        return fail(ErrorKind::invalid,
                    "invalid RestartPolicy: maximum retry count cannot be negative");
    if (config.restart_retries > 0 && name != "on-failure")
        return fail(ErrorKind::invalid,
                    "invalid RestartPolicy: maximum retry count can only be used with "
                    "'on-failure'");
    if (config.auto_remove && !name.empty() && name != "no")
        return fail(ErrorKind::invalid,
                    "can't create 'AutoRemove' container with restart policy: choose --rm or "
                    "--restart");
    return {};
}

void restart_when_due(Context& context, const EntryPtr& entry, const std::stop_token& stop) {
    while (true) {
        {
            auto live = entry->live.lock();
            const auto cancelled = [&] { return !live->has_status(Status::restarting); };
            if (entry->changed.wait_for(live.lock(), stop, live->back_off, cancelled)) return;
        }
        if (stop.stop_requested() || try_restart(context, entry)) return;
    }
}

bool cancel_restart(Context& context, const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (!live->has_status(Status::restarting)) return false;
    ContainerState& state = live->container.state;
    state.status = Status::exited;
    state.stopped_by_user = true;
    if (auto saved = context.store.save_state(entry->id, state); !saved)
        log_error("container {}: {}", entry->id, saved.error().message());
    entry->changed.notify_all();
    return true;
}

// As many at once as VMs may boot at once, so that they begin in their order.
void bring_back(Context& context, std::vector<EntryPtr> entries) {
    const auto queue = std::make_shared<const std::vector<EntryPtr>>(std::move(entries));
    const auto next = std::make_shared<std::atomic<std::size_t>>(0);
    const std::size_t workers = std::min<std::size_t>(queue->size(), context.host_cpus);
    for (std::size_t i = 0; i < workers; ++i)
        context.tasks.launch("bring-back", [&context, queue, next](const std::stop_token& stop) {
            for (std::size_t at = (*next)++; at < queue->size(); at = (*next)++) {
                const EntryPtr& entry = (*queue)[at];
                if (stop.stop_requested() || try_restart(context, entry)) continue;
                context.tasks.launch("restart", [&context, entry](const std::stop_token& later) {
                    restart_when_due(context, entry, later);
                });
            }
        });
}

}  // namespace hako::engine
