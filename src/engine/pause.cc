#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

void save(Context& context, const EntryPtr& entry, Entry::Live& live, Status status) {
    live.container.state.status = status;
    // Unsaved, the next daemon hears it from the shim.
    if (auto saved = context.store.save_state(entry->id, live.container.state); !saved)
        log_error("container {}: {}", entry->id, saved.error().message());
    entry->changed.notify_all();
}

Result<std::shared_ptr<runtime::ShimClient>> shim_of_running(const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (live->has_status(Status::restarting))
        return fail(ErrorKind::conflict,
                    "Container {} is restarting, wait until the container is running", entry->id);
    if (!live->running())
        return fail(ErrorKind::conflict, "container {} is not running", entry->id);
    return live->shim;
}

}  // namespace

Result<void> check_not_paused(const EntryPtr& entry) {
    auto live = entry->live.lock();
    if (!live->has_status(Status::paused)) return {};
    return fail(ErrorKind::conflict, "container {} is paused: unpause the container first",
                live->container.name);
}

Result<void> unpause_container(Context& context, const EntryPtr& entry) {
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        if (!live->has_status(Status::paused)) return {};
        shim = live->shim;
    }
    HAKO_CHECK(shim->resume());
    auto live = entry->live.lock();
    if (!live->has_status(Status::paused)) return {};
    save(context, entry, *live, Status::running);
    emit(context, live->container, "unpause");
    return {};
}

Result<void> Engine::pause(std::string_view container) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    HAKO_TRY(const auto shim, shim_of_running(entry));
    if (entry->live.lock()->has_status(Status::paused))
        return fail(ErrorKind::conflict, "container {} is already paused", entry->id);
    HAKO_CHECK(shim->pause());
    auto live = entry->live.lock();
    if (!live->running()) return {};  // it ended just before
    save(*context_, entry, *live, Status::paused);
    emit(*context_, live->container, "pause");
    return {};
}

Result<void> Engine::unpause(std::string_view container) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    // Without the operation lock: a stop that waits may be helped by it.
    HAKO_TRY(const auto shim, shim_of_running(entry));
    if (!entry->live.lock()->has_status(Status::paused))
        return fail(ErrorKind::conflict, "container {} is not paused", entry->id);
    return unpause_container(*context_, entry);
}

}  // namespace hako::engine
