// Containers into virtual machines and out of them.
#include <functional>

#include "base/log.h"
#include "engine/context.h"
#include "engine/macos.h"
#include "engine/shares.h"
#include "engine/sharing.h"
#include "runtime/log_file.h"

namespace hako::engine {
namespace {

// One of those that may boot at the same time.
class BootSlot {
public:
    explicit BootSlot(std::counting_semaphore<>& boots) : boots_(boots) { boots_.acquire(); }
    BootSlot(const BootSlot&) = delete;
    BootSlot& operator=(const BootSlot&) = delete;
    ~BootSlot() { boots_.release(); }

private:
    std::counting_semaphore<>& boots_;
};

// Boots a VM for the container.
Result<std::shared_ptr<runtime::ShimClient>> boot(Context& context,
                                                  const runtime::SandboxSpec& spec) {
    const BootSlot slot(context.boots);
    const auto trace = context.traces.of(spec.id);
    runtime::SandboxSpec chosen = spec;
    if (context.templates) chosen.machine.state = context.templates->find(spec.machine);
    auto timer = std::make_optional<Trace::Timer>(*trace, "start the shim");
    HAKO_CHECK(context.world.sandboxes->spawn(chosen));
    timer.emplace(*trace, "connect to the shim");
    HAKO_TRY(auto connected, context.world.sandboxes->connect(spec.id, spec.id));
    const std::shared_ptr<runtime::ShimClient> shim = std::move(connected);
    timer.emplace(*trace, "wait for the VM");
    HAKO_CHECK(shim->ready(context.closing.get_token()));
    timer.reset();
    if (context.templates && context.templates->find(spec.machine).empty())
        context.templates->want(spec.machine);
    return shim;
}

// The VM that the plan means: its own, or that of the container that it shares with.
Result<std::string> vm_of_plan(const Context& context, const runtime::SandboxSpec& spec,
                               const Container& container) {
    if (!spec.shares) return container.id;
    const std::string other = shared_with(container.host_config);
    HAKO_TRY(const EntryPtr entry, context.registry.find(other));
    auto live = entry->live.lock();
    if (!live->running())
        return fail(ErrorKind::conflict,
                    "cannot join the namespaces of a non running container: {} must be started "
                    "first",
                    live->container.name);
    return live->vm_id();
}

Result<std::shared_ptr<runtime::ShimClient>> join(Context& context, const std::string& vm,
                                                  const runtime::SandboxSpec& spec,
                                                  const Container& container) {
    HAKO_TRY(const auto sandbox, runtime::read_sandbox_spec(context.layout.sandbox(vm)));
    if (spec.shares) HAKO_CHECK(check_room(sandbox.machine, container));
    HAKO_CHECK(check_shares(sandbox.machine, spec.machine.shares));
    HAKO_CHECK(check_devices(sandbox.machine, spec.machine.devices));
    // The next daemon is to find it there.
    ContainerState state = container.state;
    state.vm = vm;
    HAKO_CHECK(context.store.save_state(container.id, state));
    HAKO_TRY(auto connected, context.world.sandboxes->connect(vm, container.id));
    HAKO_CHECK(connected->add(spec.container, spec.network));
    return connected;
}

WarmPool::Waiting take_waiting(Context& context, const runtime::SandboxSpec& spec,
                               const Container& container, bool joins) {
    if (!context.pool || spec.shares || is_macos(container)) return {};
    const auto cards = joins ? context.networks->bridged(container.id) : 0;
    if (!cards) return {};
    auto waiting = context.pool->take(spec.machine, *cards);
    if (!waiting.id.empty()) return waiting;
    const BootSlot slot(context.boots);
    const auto timer = context.traces.of(spec.id)->time("start a VM");
    return context.pool->make_at_once(spec.machine, *cards, context.closing.get_token());
}

// False: no VM waits that it fits into, or that one is of no use.
bool join_warm(Context& context, const EntryPtr& entry, const runtime::SandboxSpec& planned,
               const Container& container, bool joins) {
    const auto waiting = take_waiting(context, planned, container, joins);
    if (waiting.id.empty()) return false;
    const auto vm = context.vms.get(waiting.id);
    const std::lock_guard operation(vm->operation);
    entry->live.lock()->vm = vm;
    vm->members.insert(entry->id);
    runtime::SandboxSpec spec = planned;
    const auto use = [&]() -> Result<std::shared_ptr<runtime::ShimClient>> {
        if (joins) HAKO_CHECK(join_networks(context, container, spec, waiting.tap));
        return join(context, waiting.id, spec, container);
    };
    auto shim = use();
    if (shim) {
        entry->live.lock()->shim = *std::move(shim);
        return true;
    }
    log_warn("container {} gets another VM than the one that waited: {}", container.name,
             shim.error().message());
    vm->members.erase(entry->id);
    entry->live.lock()->vm.reset();
    if (const auto gone = context.world.sandboxes->cleanup(waiting.id, {}); !gone)
        log_warn("VM {}: {}", waiting.id, gone.error().message());
    if (joins) leave_networks(context, container.id);
    return false;
}

void end_log(Context& context, const std::string& id) {
    if (const auto ended = runtime::end_log(context.layout.container_log(id)); !ended)
        log_warn("container {}: {}", id, ended.error().message());
}

}  // namespace

Result<void> place_container(Context& context, const EntryPtr& entry, runtime::SandboxSpec spec,
                             bool joins) {
    const Container container = entry->live.lock()->container;
    if (join_warm(context, entry, spec, container, joins)) return {};
    if (joins) HAKO_CHECK(join_networks(context, container, spec));
    HAKO_TRY(const std::string id, vm_of_plan(context, spec, container));
    const auto vm = context.vms.get(id);
    const std::lock_guard operation(vm->operation);
    if (vm->members.empty() && spec.shares)
        return fail(ErrorKind::conflict, "the VM that container {} is to run in has just ended",
                    container.name);
    entry->live.lock()->vm = vm;  // whatever becomes of it, remove_from_vm() takes it away
    const bool runs = !vm->members.empty();
    vm->members.insert(entry->id);
    HAKO_TRY(auto shim, runs ? join(context, id, spec, container) : boot(context, spec));
    entry->live.lock()->shim = std::move(shim);
    return {};
}

namespace {

// end_vm: for a VM that has no other container.
void leave_vm(Context& context, const EntryPtr& entry,
              const std::function<Result<void>(runtime::ShimClient*, const std::string&)>& end_vm) {
    std::shared_ptr<runtime::ShimClient> shim;
    std::shared_ptr<Vm> vm;
    {
        auto live = entry->live.lock();
        shim = live->shim;
        vm = live->vm;
    }
    if (!vm) vm = context.vms.get(entry->id);
    {
        const std::lock_guard operation(vm->operation);
        const bool was_in = vm->members.erase(entry->id) != 0;
        Result<void> gone;
        if (vm->members.empty()) gone = end_vm(shim.get(), vm->id);
        else if (was_in && shim) gone = shim->remove();
        // A VM that died says nothing more.
        if (!gone) log_debug("container {}: {}", entry->id, gone.error().message());
        end_log(context, entry->id);
    }
    leave_networks(context, entry->id);
    context.volume_mounts.release(entry->id);
    auto live = entry->live.lock();
    live->shim.reset();
    live->vm.reset();
    entry->changed.notify_all();
}

}  // namespace

void remove_from_vm(Context& context, const EntryPtr& entry, std::chrono::milliseconds grace) {
    if (entry->live.lock()->vm_ends) return;
    leave_vm(context, entry, [&](runtime::ShimClient* shim, const std::string& vm) {
        Result<void> gone;
        if (shim != nullptr && grace.count() > 0) gone = shim->shutdown(grace);
        if (auto cleaned = context.world.sandboxes->cleanup(vm, {}); !cleaned) gone = cleaned;
        return gone;
    });
}

void abandon_vm(Context& context, const EntryPtr& entry) {
    entry->live.lock()->vm_ends = true;
    leave_vm(context, entry, [&](runtime::ShimClient*, const std::string& vm) {
        context.tasks.launch_or_run("end a VM", [&context, vm](const std::stop_token&) {
            if (const auto gone = context.world.sandboxes->cleanup(vm, {}); !gone)
                log_warn("VM {}: {}", vm, gone.error().message());
        });
        return Result<void>();
    });
}

}  // namespace hako::engine
