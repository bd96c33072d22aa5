#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {

Result<StatisticsSample> Engine::statistics(std::string_view container) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    StatisticsSample sample{.id = entry->id};
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        sample.name = live->container.name;
        if (live->running()) shim = live->shim;
    }
    if (!shim) return sample;
    auto figures = shim->statistics();
    // It ended meanwhile.
    if (!figures && !entry->live.lock()->running()) return sample;
    if (!figures) return fail(figures.error());
    sample.read = now();
    sample.figures = *std::move(figures);
    return sample;
}

}  // namespace hako::engine
