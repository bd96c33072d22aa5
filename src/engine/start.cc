#include <unistd.h>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/links.h"
#include "engine/macos.h"
#include "engine/restart.h"
#include "engine/settings.h"
#include "engine/volumes.h"

namespace hako::engine {
namespace {

// What Docker answers for a start that failed, by what failed.
int exit_code_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::exec_not_found: return 127;
        case ErrorKind::exec_failed: return 126;
        default: return 128;
    }
}

// A missing image or kernel is no missing container: only some kinds mean the same to the client.
Error as_start_error(const Error& error, std::string_view name) {
    switch (error.kind()) {
        case ErrorKind::not_found:
        case ErrorKind::conflict:
        case ErrorKind::not_modified:
        case ErrorKind::forbidden:
            return Error(ErrorKind::internal, error.message())
                .context(fmt::format("cannot start container {}", name));
        default: return error.context(fmt::format("cannot start container {}", name));
    }
}

Result<void> record_running(Context& context, const EntryPtr& entry, WallTime started_at,
                            std::vector<PublishedPort> ports) {
    const auto shim = entry->live.lock()->shim;
    HAKO_TRY(const runtime::SandboxState sandbox, shim->state());
    auto live = entry->live.lock();
    ContainerState state;
    state.status = Status::running;
    state.restart_count = live->container.state.restart_count;
    state.pid = sandbox.qemu_pid;
    state.vm = live->vm_id();
    state.ports = std::move(ports);
    state.started_at = started_at;
    state.finished_at = live->container.state.finished_at;
    HAKO_CHECK(context.store.save_state(entry->id, state));
    live->container.state = state;
    live->begun = std::chrono::steady_clock::now();
    emit_mounts(context, live->container, "mount");
    emit(context, live->container, "start");
    entry->changed.notify_all();
    return {};
}

Result<void> run_container(Context& context, const EntryPtr& entry, const Container& container) {
    const auto trace = context.traces.of(entry->id);
    const WallTime begun = now();
    const auto whole = trace->time("start");
    auto timer = std::make_optional<Trace::Timer>(*trace, "plan the VM");
    HAKO_TRY(runtime::SandboxSpec spec, plan_sandbox(context, container));
    timer.reset();
    if (::unlink(spec.container.exit_record.c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, "cannot remove {}", spec.container.exit_record.string());
    // The shim that worked on a stopped machine's disks knows of no ports.
    if (is_macos(container)) end_files_vm(context, entry);
    std::vector<PublishedPort> ports;
    // A VM for files has no network cards.
    const bool networked = !context.networks->attachments(entry->id).empty();
    if (networked || !take_files_vm(context, entry, spec)) {
        HAKO_CHECK(wait_for_sandbox_end(context, entry));
        share_names(context, container, spec.container);
        if (is_macos(container)) {
            HAKO_TRY(ports, publish_macos(container, spec));
            HAKO_CHECK(join_lan(context, container, spec));
        }
        // One that joins another's VM has the network that the other one has.
        HAKO_CHECK(place_container(context, entry, spec, !is_macos(container) && !spec.shares));
    }
    const WallTime started_at = now();
    const auto shim = entry->live.lock()->shim;
    timer.emplace(*trace, "start the process");
    const auto started = shim->start("");
    timer.reset();
    if (!started) {
        const ErrorKind kind = started.error().kind();
        if (kind == ErrorKind::exec_not_found || kind == ErrorKind::exec_failed)
            return fail(explain_exec_failure(
                started.error(),
                "failed to create task for container: OCI runtime create failed: unable to start "
                "container process",
                container.command));
        return fail(started.error());
    }
    // A VM that waited began before.
    for (const Span& span : started->spans)
        if (span.begun >= begun) trace->add({span});
    timer.emplace(*trace, "record that it runs");
    return record_running(context, entry, started_at, std::move(ports));
}

void record_failed_start(Context& context, const EntryPtr& entry, const Error& error) {
    auto live = entry->live.lock();
    ContainerState& state = live->container.state;
    const bool was_restarting = state.status == Status::restarting;
    state.status = state.started_at == WallTime{} ? Status::created : Status::exited;
    state.pid = 0;
    state.exit_code = exit_code_of(error.kind());
    state.error = error.message();
    // A start that somebody asked for has failed once and for all; its policy's tries again.
    if (was_restarting && restarts_after_exit(live->container.host_config, state)) {
        state.status = Status::restarting;
        live->back_off = next_back_off(live->back_off, {});
    }
    live->last_end = {.exit_code = state.exit_code};  // the error is the start's answer
    ++live->ends;
    if (auto saved = context.store.save_state(entry->id, state); !saved)
        log_error("container {}: {}", entry->id, saved.error().message());
    entry->changed.notify_all();
}

Result<void> check_not_going(const Entry::Live& live) {
    if (!live.has_status(Status::dead) && !live.has_status(Status::removing)) return {};
    return fail(ErrorKind::conflict, "container is marked for removal and cannot be started");
}

// Counted as long as it lives.
class UnderWay {
public:
    explicit UnderWay(std::atomic<unsigned>& count) : count_(count) { ++count_; }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() { --count_; }

private:
    std::atomic<unsigned>& count_;
};

// Somebody, not a policy, starts it.
void forget_restarts(Entry::Live& live) {
    live.container.state.restart_count = 0;
    live.container.state.stopped_by_user = false;
    live.back_off = {};
}

Result<Container> locate(Context& context, const Container& container) {
    HAKO_CHECK(use_volumes(context, container));
    Container located = container;
    HAKO_TRY(located.mounts, locate_mounts(context, container.mounts));
    located.config.env = linked_environment(context, container);
    // The image's files come once: what the container has there later is its own.
    if (container.state.started_at != WallTime{})
        for (MountPoint& mount : located.mounts) mount.copy_up = false;
    return located;
}

}  // namespace

Result<runtime::SandboxSpec> plan_sandbox(Context& context, const Container& container,
                                          bool alone) {
    if (is_macos(container)) {
        // It was not a start that asked.
        if (alone)
            return fail(ErrorKind::unimplemented,
                        "{} is a macOS machine: its files are on a disk that hako does not read",
                        container.name);
        HAKO_TRY(const vmm::ProbeResult probe, context.world.machines->accelerator());
        HAKO_TRY(const Container located, locate(context, container));
        return make_macos_sandbox(located, probe, context.layout);
    }
    HAKO_TRY(const vmm::Kernel kernel, context.world.machines->kernel(container.kernel));
    HAKO_TRY(images::Rootfs rootfs, context.world.images->rootfs(container.image_id));
    HAKO_TRY(const vmm::ProbeResult probe, context.world.machines->accelerator());
    std::filesystem::path emulator;
    if (!container.emulated.empty()) {
        HAKO_TRY(emulator, context.world.machines->emulator(container.emulated));
    }
    std::vector<vmm::HostDevice> devices;
    if (!alone) {
        HAKO_TRY(devices, context.world.machines->devices(host_devices(container.host_config)));
    }
    HAKO_CHECK(check_block_volumes(context, container));
    HAKO_TRY(const Container located, locate(context, container));
    return make_sandbox(located,
                        {.kernel = kernel.vmlinux,
                         .initramfs = context.world.machines->initramfs(),
                         .rootfs = std::move(rootfs),
                         .emulator = std::move(emulator),
                         .accelerator = probe.accelerator,
                         .tsc_khz = probe.tsc_khz,
                         .host_cpus = context.host_cpus,
                         .devices = std::move(devices),
                         .alone = alone},
                        context.layout);
}

Error explain_exec_failure(const Error& error, std::string_view prefix,
                           const std::vector<std::string>& command) {
    const std::string program = command.empty() ? "" : command.front();
    const bool missing = error.kind() == ErrorKind::exec_not_found;
    std::string_view known = "permission denied";
    if (missing)
        known = program.find('/') == std::string::npos ? "executable file not found in $PATH"
                                                       : "no such file or directory";
    std::string reason = error.message();
    // Also of a working directory, where the program may well be there.
    const bool told = missing && reason.find("no such file or directory") != std::string::npos;
    if (!told && reason.find(known) == std::string::npos)
        reason = fmt::format("exec: \"{}\": {} ({})", program, known, error.message());
    return Error(error.kind(), fmt::format("{}: {}: unknown", prefix, reason));
}

Result<void> start_container(Context& context, const EntryPtr& entry) {
    const UnderWay under_way(context.starts_under_way);
    const Container container = entry->live.lock()->container;
    const auto started = run_container(context, entry, container);
    if (started) {
        watch_container(context, entry);
        watch_health(context, entry);
        watch_listening(context, entry);
        return {};
    }
    const Error error = as_start_error(started.error(), container.name);
    log_warn("{}", error.message());
    remove_from_vm(context, entry);
    record_failed_start(context, entry, error);
    if (container.host_config.auto_remove)
        if (auto removed = remove_container(context, entry, true); !removed)
            log_warn("container {}: {}", entry->id, removed.error().message());
    return fail(error);
}

Result<void> Engine::start(std::string_view container) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    {
        auto live = entry->live.lock();
        if (live->removed) return fail(ErrorKind::not_found, "No such container: {}", container);
        if (live->has_status(Status::paused))
            return fail(ErrorKind::conflict,
                        "cannot start a paused container, try unpause instead");
        if (live->running() || live->has_status(Status::restarting))
            return fail(ErrorKind::not_modified, "container {} runs already", container);
        HAKO_CHECK(check_not_going(*live));
        forget_restarts(*live);
    }
    return start_container(*context_, entry);
}

Result<void> Engine::restart(std::string_view container, const StopOptions& options) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    bool running = false;
    {
        auto live = entry->live.lock();
        if (live->removed) return fail(ErrorKind::not_found, "No such container: {}", container);
        HAKO_CHECK(check_not_going(*live));
        running = live->running();
        live->restarts = true;
    }
    const auto run_anew = [&]() -> Result<void> {
        if (running) HAKO_CHECK(stop_container(*context_, entry, options));
        cancel_restart(*context_, entry);
        forget_restarts(*entry->live.lock());
        return start_container(*context_, entry);
    };
    const auto done = run_anew();
    entry->live.lock()->restarts = false;
    HAKO_CHECK(done);
    emit(*context_, entry, "restart");
    return {};
}

}  // namespace hako::engine
