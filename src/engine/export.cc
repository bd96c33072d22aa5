#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {

Result<void> Engine::export_root(std::string_view container, Writer& tar, std::stop_token stop) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        if (!live->running())
            return fail(ErrorKind::conflict,
                        "container {} is not running: start it first, only running containers can "
                        "be exported",
                        live->container.name);
        shim = live->shim;
    }
    return shim->copy_out("/", tar, std::move(stop));
}

}  // namespace hako::engine
