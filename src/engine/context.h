// What the verbs of the engine work on. One source file a verb; each is a member of Engine or one
// of the functions below.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/paths.h"
#include "base/result.h"
#include "engine/container_store.h"
#include "engine/events.h"
#include "engine/networks.h"
#include "engine/registry.h"
#include "engine/streams.h"
#include "engine/surroundings.h"
#include "engine/tasks.h"
#include "engine/templates.h"
#include "engine/traces.h"
#include "engine/volume_mounts.h"
#include "engine/warm_pool.h"
#include "images/image_store.h"
#include "store/database.h"
#include "vmm/kernel_store.h"
#include "volume/volume_store.h"

namespace hako::engine {

struct Context {
    Context(Layout layout_of_daemon, std::unique_ptr<store::Database> opened,
            ContainerStore container_store, Surroundings surroundings);
    // Before anything else: opens the networks.
    Result<void> open_networks(bool default_bridge);
    ~Context();

    const Layout layout;
    const unsigned host_cpus;
    std::unique_ptr<store::Database> database;
    ContainerStore store;
    std::unique_ptr<images::ImageStore> images;  // null in tests
    std::unique_ptr<vmm::KernelStore> kernels;   // null in tests
    volume::VolumeStore volumes;
    VolumeMounts volume_mounts{volumes};
    Surroundings world;
    std::unique_ptr<Networks> networks;
    Registry registry;
    Traces traces;
    Vms vms;
    EventLog events;
    Guarded<std::optional<vmm::ProbeResult>> accelerator;  // once the probe is done
    // Held while an image is removed, and from finding one until its container is recorded.
    std::mutex image_use;
    // Likewise for volumes. Taken first.
    std::mutex volume_use;
    std::atomic<unsigned> starts_under_way = 0;
    // So many VMs boot at once: a boot is work for a CPU, and more of them only starve each other.
    std::counting_semaphore<> boots;
    std::stop_source closing;  // requested when the daemon ends
    Tasks tasks;
    std::unique_ptr<Templates> templates;  // null in tests; uses the tasks
    std::unique_ptr<WarmPool> pool;        // may be null, as templates
};

// --- emit.cc: publishes what happened to a container; `details` go to the event's attributes.
void emit(Context& context, const Container& container, std::string action,
          const StringMap& details = {});
void emit(Context& context, const EntryPtr& entry, std::string action,
          const StringMap& details = {});

void emit_volume(Context& context, const volume::Volume& volume, std::string action);
// "mount" or "unmount", of the volumes that a container has.
void emit_mounts(Context& context, const Container& container, const std::string& action);

// --- start.cc: the caller holds entry->operation, and the container does not run.
Result<void> start_container(Context& context, const EntryPtr& entry);
// How it shall run, and in which VM. alone: in its own, whatever it shares.
Result<runtime::SandboxSpec> plan_sandbox(Context& context, const Container& container,
                                          bool alone = false);
// The sentences that Docker's clients know a missing or unusable command by.
Error explain_exec_failure(const Error& error, std::string_view prefix,
                           const std::vector<std::string>& command);

// --- vm.cc: the caller holds entry->operation.
// Into the VM that it is planned for, which is booted where it does not run. Sets the entry's shim
// and returns when the first process is prepared. What a failure leaves is remove_from_vm()'s.
// joins: its networks, too.
Result<void> place_container(Context& context, const EntryPtr& entry, runtime::SandboxSpec spec,
                             bool joins);
// Takes away what is left of it in its VM, or kills that. The VM ends with the last container: with
// a grace time its guest is asked. Without the lock, once the container has ended.
void remove_from_vm(Context& context, const EntryPtr& entry, std::chrono::milliseconds grace = {});
// Likewise, of a container that is never started again and whose disks nobody wants: its VM is
// killed in the background.
void abandon_vm(Context& context, const EntryPtr& entry);

// --- restart.cc
// Starts the container again, and again, while its status is restarting. Blocks.
void restart_when_due(Context& context, const EntryPtr& entry, const std::stop_token& stop);
// Ends the wait for a restart; false when there is none. The container stays exited.
bool cancel_restart(Context& context, const EntryPtr& entry);
// In the background, in this order; their status is restarting.
void bring_back(Context& context, std::vector<EntryPtr> entries);

// --- pause.cc: lets the VM's CPUs run again if they do not.
Result<void> unpause_container(Context& context, const EntryPtr& entry);
// A guest that stands still answers nothing: conflict, with what to do.
Result<void> check_not_paused(const EntryPtr& entry);

// --- template.cc
std::unique_ptr<Templates> make_templates(Context& context, const Installation& installation,
                                          TemplateOptions options);
// That of containers that say nothing of memory and processors.
void want_default_template(Context& context);

// --- warm_plan.cc
// Keeps a QEMU that has loaded the template, in the file.
Result<void> keep_template(Context& context, const runtime::TemplateJob& job,
                           const std::filesystem::path& path, const std::stop_token& stop);
std::unique_ptr<WarmPool> make_pool(Context& context, unsigned size);

// --- stop.cc: the caller holds entry->operation. Returns when the VM is gone.
Result<void> stop_container(Context& context, const EntryPtr& entry, const StopOptions& options);

// --- watch.cc
// Waits in the background for the exit of a container that runs, records it and clears up.
void watch_container(Context& context, const EntryPtr& entry);
// Records the end of a run. No verb may run at the same time that starts the container.
void record_exit(Context& context, const EntryPtr& entry, const runtime::ExitRecord& exit);
// Blocks until nothing of the last run is left, nor a VM for files. The caller holds
// entry->operation.
Result<void> wait_for_sandbox_end(Context& context, const EntryPtr& entry);

// --- remove.cc: the caller holds entry->operation, and the container does not run.
Result<void> remove_container(Context& context, const EntryPtr& entry, bool with_volumes = false);

// --- files.cc: the caller holds entry->operation.
// Ends a VM that was booted for files only; nothing where there is none.
void end_files_vm(Context& context, const EntryPtr& entry);
// Makes it the container's where it is as planned (true); ends it where it is not.
bool take_files_vm(Context& context, const EntryPtr& entry, const runtime::SandboxSpec& spec);

// --- health_watch.cc: runs the health check of a container that has just begun to run.
void watch_health(Context& context, const EntryPtr& entry);
// --- host_mode.cc: does nothing for a container in another network mode.
void watch_listening(Context& context, const EntryPtr& entry);

// --- exec.cc: as the engine's verbs.
Result<std::string> create_exec(Context& context, const EntryPtr& entry, const ExecConfig& config);
Result<Session> start_exec(Context& context, const std::string& exec, const ExecStart& options);
// Waits in the background for an exec's exit.
void watch_exec(Context& context, const EntryPtr& entry, const std::string& exec);

// --- network_verbs.cc: for a container whose VM starts, and one whose VM has ended.
// waiting: the tap of the VM that waited for it; an error says that it cannot have that one.
Result<void> join_networks(Context& context, const Container& container, runtime::SandboxSpec& spec,
                           const std::string& waiting = {});
// The names of the container that it shares a network with, which runs.
void share_names(const Context& context, const Container& container, runtime::ContainerSpec& spec);
void leave_networks(Context& context, const std::string& container);
// Tells the guest of a container that runs; nothing where the change is none for it.
Result<void> change_guest(Context& context, const EntryPtr& entry, const NetworkChange& change);

// --- recovery.cc: before anything is served.
Result<void> recover(Context& context);

}  // namespace hako::engine
