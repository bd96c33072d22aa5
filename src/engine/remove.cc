#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/names.h"
#include "engine/trash.h"
#include "engine/volumes.h"

namespace hako::engine {
namespace {

Result<void> remove_files(Context& context, const EntryPtr& entry) {
    HAKO_CHECK(context.store.mark_removing(entry->id));
    remove_from_vm(context, entry);
    HAKO_CHECK(throw_away(context, context.layout.container(entry->id)));
    context.networks->forget(entry->id);
    return context.store.erase(entry->id);
}

}  // namespace

Result<void> remove_container(Context& context, const EntryPtr& entry, bool with_volumes) {
    HAKO_CHECK(wait_for_sandbox_end(context, entry));
    entry->live.lock()->container.state.status = Status::removing;
    const auto trace = context.traces.of(entry->id);
    auto timer = std::make_optional<Trace::Timer>(*trace, "remove");
    const auto removed = remove_files(context, entry);
    timer.reset();
    if (removed) context.registry.erase(entry->id);
    if (removed && with_volumes) {
        const auto mounts = entry->live.lock()->container.mounts;
        const std::lock_guard in_use(context.volume_use);
        remove_anonymous_volumes(context, mounts);
    }
    auto live = entry->live.lock();
    if (removed) {
        live->removed = true;
        emit(context, live->container, "destroy");
    } else {
        live->container.state.status = Status::dead;
        live->container.state.error = removed.error().message();
    }
    entry->changed.notify_all();
    return removed;
}

Result<void> Engine::remove(std::string_view container, const RemoveOptions& options) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    if (entry->live.lock()->has_status(Status::removing))
        return fail(ErrorKind::conflict, "removal of container {} is already in progress",
                    container);
    if (options.force)
        // Before the lock: a stop that holds it ends at once. That it does not run is fine.
        if (auto killed = kill(entry->id, "SIGKILL");
            !killed && killed.error().kind() != ErrorKind::conflict)
            log_warn("container {}: {}", entry->id, killed.error().message());
    const std::lock_guard operation(entry->operation);
    {
        auto live = entry->live.lock();
        if (live->removed) return fail(ErrorKind::not_found, "No such container: {}", container);
        const ContainerState& state = live->container.state;
        if ((state.running() || state.status == Status::restarting) && !options.force)
            return fail(ErrorKind::conflict,
                        "cannot remove container \"/{}\": container is {}: stop the "
                        "container before removing or force remove",
                        live->container.name, to_string(state.status));
    }
    cancel_restart(*context_, entry);
    // Started between the kill and the lock.
    if (options.force) HAKO_CHECK(stop_container(*context_, entry, {.timeout_seconds = 0}));
    return remove_container(*context_, entry, options.volumes);
}

Result<void> Engine::rename(std::string_view container, std::string_view name) {
    HAKO_TRY(const std::string checked, check_container_name(name));
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    if (entry->live.lock()->container.name == checked)
        return fail(ErrorKind::conflict,
                    "Renaming a container with the same name as its current name");
    HAKO_CHECK(context_->registry.reserve_name(checked, entry->id));
    auto saved = context_->store.save_name(entry->id, checked);
    if (!saved) {
        context_->registry.release_name(checked);
        return saved;
    }
    std::string old;
    {
        auto live = entry->live.lock();
        old = std::exchange(live->container.name, checked);
    }
    context_->registry.release_name(old);
    context_->networks->rename(entry->id, checked);
    emit(*context_, entry, "rename", {{"oldName", "/" + old}});
    return {};
}

}  // namespace hako::engine
