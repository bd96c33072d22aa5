#include <list>

#include "base/log.h"
#include "base/thread.h"
#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

// As if it had ended by itself: nobody told this container to stay down.
void forget_stop(Context& context, const EntryPtr& entry) {
    auto live = entry->live.lock();
    live->container.state.stopped_by_user = false;
    if (auto saved = context.store.save_state(entry->id, live->container.state); !saved)
        log_error("container {}: {}", entry->id, saved.error().message());
}

void stop_one(Context& context, const EntryPtr& entry) {
    const std::lock_guard operation(entry->operation);
    cancel_restart(context, entry);
    if (auto stopped = stop_container(context, entry, {}); !stopped)
        log_warn("container {}: {}", entry->id, stopped.error().message());
    forget_stop(context, entry);
}

}  // namespace

void Engine::stop_all() {
    std::list<std::jthread> stoppers;
    for (const EntryPtr& entry : context_->registry.all()) {
        const ContainerState state = entry->live.lock()->container.state;
        if (!state.running() && state.status != Status::restarting) continue;
        stoppers.push_back(
            start_thread("stop-all", [this, entry](auto) { stop_one(*context_, entry); }));
    }
}

}  // namespace hako::engine
