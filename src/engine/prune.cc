#include <algorithm>

#include "engine/context.h"
#include "engine/engine.h"
#include "engine/list.h"

namespace hako::engine {
namespace {

bool is_pruned(const Container& container, const PruneFilter& filter) {
    if (container.state.running() || container.state.status == Status::restarting) return false;
    if (filter.until != WallTime{} && container.created >= filter.until) return false;
    const auto has = [&](const std::string& label) {
        return has_label(container.config.labels, label);
    };
    return std::ranges::all_of(filter.labels, has) && std::ranges::none_of(filter.without, has);
}

}  // namespace

Result<Pruned> Engine::prune(const PruneFilter& filter) {
    Pruned pruned;
    for (const EntryPtr& entry : context_->registry.all()) {
        const Container container = entry->live.lock()->container;
        if (!is_pruned(container, filter)) continue;
        const std::uint64_t size = written_bytes(*context_, container);
        auto removed = remove(entry->id, {});
        // Started, or removed by somebody else, meanwhile.
        if (!removed && (removed.error().kind() == ErrorKind::conflict ||
                         removed.error().kind() == ErrorKind::not_found))
            continue;
        if (!removed) return fail(removed.error());
        pruned.ids.push_back(entry->id);
        pruned.reclaimed += size;
    }
    context_->events.publish({.type = "container",
                              .action = "prune",
                              .attributes = {{"reclaimed", std::to_string(pruned.reclaimed)}}});
    return pruned;
}

}  // namespace hako::engine
