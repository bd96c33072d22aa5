#include "engine/engine.h"

#include <algorithm>
#include <set>
#include <thread>

#include "base/cpu_time.h"
#include "base/log.h"
#include "engine/context.h"
#include "engine/macos.h"
#include "engine/memory_watch.h"

namespace hako::engine {
namespace {

constexpr unsigned kLeastBoots = 2;

// In the background: a probe boots a VM, which takes seconds, and the daemon is to answer at once.
void probe_in_background(Context& context) {
    context.tasks.launch("probe", [&context](std::stop_token) {
        auto verdict = context.world.machines->accelerator();
        if (!verdict) return log_error("{}", verdict.error().message());
        *context.accelerator.lock() = *std::move(verdict);
        want_default_template(context);
    });
}

std::vector<MemoryWatch::Guest> running_guests(const Context& context) {
    std::vector<MemoryWatch::Guest> guests;
    std::set<std::string> vms;  // containers may share one
    for (const EntryPtr& entry : context.registry.all()) {
        auto live = entry->live.lock();
        if (!live->running() || !live->shim || is_macos(live->container)) continue;
        if (!vms.insert(live->vm_id()).second) continue;
        guests.push_back({live->vm_id(), cpu_time_of(live->container.state.pid),
                          [shim = live->shim](auto bytes) { return shim->reclaim(bytes); }});
    }
    return guests;
}

void watch_memory(Context& context) {
    context.tasks.launch("memory", [&context](const std::stop_token& stop) {
        MemoryWatch({.guests = [&context] { return running_guests(context); }}).run(stop);
    });
}

}  // namespace

Context::Context(Layout layout_of_daemon, std::unique_ptr<store::Database> opened,
                 ContainerStore container_store, Surroundings surroundings)
    : layout(std::move(layout_of_daemon)),
      host_cpus(std::max(1U, std::thread::hardware_concurrency())),
      database(std::move(opened)),
      store(container_store),
      volumes(*database, layout.volumes()),
      world(std::move(surroundings)),
      boots(std::max(kLeastBoots, host_cpus)) {}

Context::~Context() {
    closing.request_stop();
    if (pool) pool->close();
    tasks.stop_all();
}

Result<void> Context::open_networks(bool default_bridge) {
    HAKO_TRY(networks, Networks::open(*database, *world.networks, default_bridge));
    return {};
}

Result<std::unique_ptr<Engine>> Engine::open(const Layout& layout, const Installation& installation,
                                             const fsimage::LayerLimits& limits,
                                             const TemplateOptions& templates,
                                             bool default_bridge) {
    HAKO_TRY(auto database, store::Database::open(layout.database()));
    HAKO_TRY(auto containers, ContainerStore::open(*database));
    HAKO_TRY(auto images, images::ImageStore::open(layout, *database, limits));
    auto kernels = std::make_unique<vmm::KernelStore>(layout, installation);
    Surroundings world = real_surroundings(layout, installation, *images, *kernels);
    auto context =
        std::make_unique<Context>(layout, std::move(database), containers, std::move(world));
    context->images = std::move(images);
    context->kernels = std::move(kernels);
    context->templates = make_templates(*context, installation, templates);
    context->pool = make_pool(*context, templates.warm_pool);
    HAKO_CHECK(context->open_networks(default_bridge));
    return open(std::move(context));
}

Result<std::unique_ptr<Engine>> Engine::open(std::unique_ptr<Context> context) {
    HAKO_CHECK(context->volumes.open());
    HAKO_CHECK(with_context(recover(*context), "cannot recover the containers"));
    probe_in_background(*context);
    watch_memory(*context);
    return std::unique_ptr<Engine>(new Engine(std::move(context)));
}

Engine::Engine(std::unique_ptr<Context> context) : context_(std::move(context)) {}
Engine::~Engine() = default;

void Engine::close() { context_->closing.request_stop(); }

}  // namespace hako::engine
