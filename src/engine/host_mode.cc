// Network mode host. A VM has no part in the host's network: what its container listens to is
// published there, as it comes and goes.
#include "base/log.h"
#include "engine/context.h"

namespace hako::engine {
namespace {

constexpr std::chrono::milliseconds kPause{500};

}  // namespace

void watch_listening(Context& context, const EntryPtr& entry) {
    std::uint64_t ends = 0;
    {
        auto live = entry->live.lock();
        if (live->container.host_config.network_mode != "host") return;
        ends = live->ends;
    }
    context.tasks.launch("listening", [&context, entry, ends](const std::stop_token& stop) {
        for (;;) {
            std::shared_ptr<runtime::ShimClient> shim;
            {
                auto live = entry->live.lock();
                const auto over = [&] { return live->removed || live->ends != ends; };
                if (over()) return;
                // One that is paused has what it had.
                if (!live->has_status(Status::paused)) shim = live->shim;
            }
            if (const auto found = shim ? shim->statistics() : fail(ErrorKind::conflict, ""); found)
                for (const Error& error : context.networks->publish_listening(
                         entry->id, {found->listening.begin(), found->listening.end()}))
                    log_warn("container {}: {}", entry->id.substr(0, 12), error.message());
            auto live = entry->live.lock();
            const bool over = entry->changed.wait_for(
                live.lock(), stop, kPause, [&] { return live->removed || live->ends != ends; });
            if (over || stop.stop_requested()) return;
        }
    });
}

}  // namespace hako::engine
