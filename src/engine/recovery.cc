// What a daemon finds when it starts: containers that go on running in their VMs, others that ended
// meanwhile, and what a daemon that was killed left half done.
#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "base/log.h"
#include "engine/context.h"
#include "engine/restart.h"
#include "engine/trash.h"
#include "engine/volumes.h"

namespace hako::engine {
namespace {

void add_execs(Entry::Live& live, const std::vector<runtime::ProcessState>& processes,
               Registry& registry, const EntryPtr& entry) {
    for (const runtime::ProcessState& process : processes) {
        if (process.id.empty() || !process.started) continue;
        LiveExec exec;
        exec.started = true;
        exec.exec.id = process.id;
        exec.exec.container_id = entry->id;
        exec.exec.pid = process.pid;
        exec.exec.running = true;
        live.execs.emplace(process.id, std::move(exec));
        registry.insert_exec(process.id, entry);
    }
}

// Where it ran last, or its own.
std::string last_vm(Entry& entry) {
    auto live = entry.live.lock();
    const std::string& vm = live->container.state.vm;
    return vm.empty() ? entry.id : vm;
}

// The VM goes on: so does the container.
void adopt(Context& context, const EntryPtr& entry, const runtime::SandboxState& sandbox,
           std::shared_ptr<runtime::ShimClient> shim) {
    const auto vm = context.vms.get(last_vm(*entry));
    {
        const std::lock_guard operation(vm->operation);
        vm->members.insert(entry->id);
    }
    {
        auto live = entry->live.lock();
        live->vm = vm;
        ContainerState& state = live->container.state;
        // The last daemon may have been killed before it could write down that it runs.
        if (!state.running()) {
            state = {};
            state.started_at = now();
        }
        state.vm = live->vm_id();
        state.status = sandbox.paused ? Status::paused : Status::running;
        live->begun = std::chrono::steady_clock::now();
        state.pid = sandbox.qemu_pid;
        if (auto saved = context.store.save_state(entry->id, state); !saved)
            log_error("container {}: {}", entry->id, saved.error().message());
        live->shim = std::move(shim);
        add_execs(*live, sandbox.processes, context.registry, entry);
    }
    watch_container(context, entry);
    watch_health(context, entry);
    watch_listening(context, entry);
    for (const runtime::ProcessState& process : sandbox.processes)
        if (!process.id.empty() && process.started) watch_exec(context, entry, process.id);
    log_info("container {} goes on running", entry->id);
}

// Adopts the container's sandbox if it is alive and its first process was started.
bool adopt_if_alive(Context& context, const EntryPtr& entry) {
    auto connected = context.world.sandboxes->connect(last_vm(*entry), entry->id);
    if (!connected) return false;
    std::shared_ptr<runtime::ShimClient> shim = *std::move(connected);
    const auto sandbox = shim->state();
    if (!sandbox) return false;
    for (const runtime::ProcessState& process : sandbox->processes)
        if (process.id.empty() && process.started) {
            // Ended or not: the watcher hears which.
            adopt(context, entry, *sandbox, std::move(shim));
            return true;
        }
    return false;
}

// A container that does not run any more, or was only prepared: after all that run are adopted.
void settle(Context& context, const EntryPtr& entry) {
    const auto vm = context.vms.get(last_vm(*entry));
    {
        const std::lock_guard operation(vm->operation);
        auto live = entry->live.lock();
        // In a VM that others run in, it is taken out.
        if (!vm->members.empty()) {
            live->vm = vm;
            if (auto shim = context.world.sandboxes->connect(vm->id, entry->id)) {
                live->shim = *std::move(shim);
                vm->members.insert(entry->id);
            }
        }
    }
    remove_from_vm(context, entry);
    if (!entry->live.lock()->running()) return;
    const auto record = runtime::read_exit_record(context.layout.container_exit(entry->id));
    runtime::ExitRecord exit;
    if (record && *record) exit = **record;
    else
        exit = {.code = 137,
                .exited_at = now(),
                .reason = "the virtual machine ended while no daemon was there to see why"};
    record_exit(context, entry, exit);
}

// By its policy; a restart that the last daemon waited for is one of them.
bool waits_for_restart(Entry& entry) {
    auto live = entry.live.lock();
    ContainerState& state = live->container.state;
    if (state.status != Status::exited && state.status != Status::restarting) return false;
    const bool wanted = restarts_with_daemon(live->container.host_config, state);
    state.status = wanted ? Status::restarting : Status::exited;
    return wanted;
}

// Everything in a folder that is not in `known`, by the names' first characters.
std::vector<std::string> unknown_folders(const std::filesystem::path& folder,
                                         const std::set<std::string>& known) {
    std::vector<std::string> unknown;
    std::error_code error;
    for (std::filesystem::directory_iterator item(folder, error), end; !error && item != end;
         item.increment(error))
        if (const std::string name = item->path().filename(); !known.contains(name))
            unknown.push_back(name);
    return unknown;
}

// The folder's name is the beginning of the id; the VM's other traces have all of it.
void clean_unknown_sandbox(Context& context, const std::string& name) {
    log_info("sandbox {} belongs to no container and is removed", name);
    std::string id = name;
    std::filesystem::path log;
    if (const auto spec = runtime::read_sandbox_spec(context.layout.sandboxes() / name))
        id = spec->id;
    if (auto cleaned = context.world.sandboxes->cleanup(id, log); !cleaned)
        log_warn("sandbox {}: {}", name, cleaned.error().message());
}

void clean_unknown(Context& context, const std::vector<std::string>& set_aside) {
    std::set<std::string> ids(set_aside.begin(), set_aside.end());
    std::set<std::string> sandboxes;
    for (const EntryPtr& entry : context.registry.all()) {
        ids.insert(entry->id);
        sandboxes.insert(context.layout.sandbox(entry->id).filename());
        // That of a removed container, in which others go on.
        sandboxes.insert(context.layout.sandbox(entry->live.lock()->vm_id()).filename());
    }
    for (const std::string& name : unknown_folders(context.layout.sandboxes(), sandboxes))
        clean_unknown_sandbox(context, name);
    for (const std::string& name : unknown_folders(context.layout.containers(), ids)) {
        log_info("the folder of container {}, which was never made or is removed, goes", name);
        if (auto gone = throw_away(context, context.layout.containers() / name); !gone)
            log_warn("container {}: {}", name, gone.error().message());
    }
}

void recover_networks(Context& context) {
    std::vector<Container> running;
    for (const EntryPtr& entry : context.registry.all())
        if (auto live = entry->live.lock(); live->running()) running.push_back(live->container);
    // Containers that run are not lost for a network that cannot be restored.
    const auto undone = context.networks->recover(running);
    if (!undone) return log_error("cannot recover the networks: {}", undone.error().message());
    for (const NetworkChange& change : *undone) {
        log_info("container {} is not on network {}: the last daemon was about to change that",
                 change.container, change.network.name);
        const auto entry = context.registry.find(change.container);
        if (!entry) continue;
        if (const auto told = change_guest(context, *entry, change); !told)
            log_warn("container {}: {}", change.container, told.error().message());
    }
}

void recover_volumes(Context& context) {
    for (const EntryPtr& entry : context.registry.all()) {
        const Container container = entry->live.lock()->container;
        if (!container.state.running()) continue;
        if (const auto used = use_volumes(context, container); !used)
            log_warn("container {}: {}", container.name, used.error().message());
    }
    const auto all = context.volumes.list();
    if (!all) return log_warn("{}", all.error().message());
    context.volume_mounts.unmount_unused(*all);
}

}  // namespace

Result<void> recover(Context& context) {
    HAKO_CHECK(make_folders(context.layout.containers()));
    HAKO_CHECK(make_folders(context.layout.sandboxes(), 0711));
    HAKO_TRY(const std::vector<StoredContainer> stored, context.store.load());
    HAKO_TRY(const std::vector<std::string> set_aside, context.store.unreadable_ids());
    std::vector<EntryPtr> lost, to_remove, to_start;
    for (const StoredContainer& item : stored) {
        const auto entry = std::make_shared<Entry>(item.container);
        HAKO_CHECK(context.registry.reserve_name(item.container.name, entry->id));
        context.registry.insert(entry);
        if (item.removing || !adopt_if_alive(context, entry)) lost.push_back(entry);
    }
    for (const StoredContainer& item : stored) {
        const EntryPtr entry = *context.registry.find(item.container.id);
        const bool alive = std::ranges::find(lost, entry) == lost.end();
        if (!alive) settle(context, entry);
        const bool ended = entry->live.lock()->container.state.status == Status::exited;
        if (item.removing || (!alive && ended && item.container.host_config.auto_remove))
            to_remove.push_back(entry);
        else if (!alive && waits_for_restart(*entry)) to_start.push_back(entry);
    }
    recover_networks(context);
    recover_volumes(context);
    for (const EntryPtr& entry : to_remove) {
        const std::lock_guard operation(entry->operation);
        const bool volumes = entry->live.lock()->container.host_config.auto_remove;
        if (auto removed = remove_container(context, entry, volumes); !removed)
            log_warn("container {}: {}", entry->id, removed.error().message());
    }
    clean_unknown(context, set_aside);
    empty_trash(context);
    const auto created = [](const EntryPtr& entry) {
        return entry->live.lock()->container.created;
    };
    std::ranges::sort(to_start, {}, created);
    bring_back(context, std::move(to_start));
    return {};
}

}  // namespace hako::engine
