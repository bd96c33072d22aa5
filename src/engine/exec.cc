#include <algorithm>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/links.h"
#include "engine/macos.h"
#include "engine/output.h"
#include "engine/settings.h"

namespace hako::engine {
namespace {

// Execs that ended are known for so long, for clients that ask for their exit code.
constexpr std::chrono::minutes kForgetExecAfter{5};
constexpr std::size_t kMaxExecs = 10'000;  // of one container, ended ones included

Result<void> check_runs(const EntryPtr& entry, const Entry::Live& live, const ExecConfig& config) {
    if (live.has_status(Status::paused))
        return fail(ErrorKind::conflict,
                    "Container {} is paused, unpause the container before exec", entry->id);
    if (live.has_status(Status::restarting))
        return fail(ErrorKind::conflict,
                    "Container {} is restarting, wait until the container is running", entry->id);
    if (live.running() || works_while_stopped(live.container, config)) return {};
    return fail(ErrorKind::conflict, "container {} is not running", entry->id);
}

// "exec_start: ls -l"
std::string action_of(std::string_view verb, const ExecConfig& config) {
    return fmt::format("{}: {}", verb, fmt::join(config.cmd, " "));
}

void forget_old_execs(Context& context, Entry::Live& live) {
    const auto limit = std::chrono::steady_clock::now() - kForgetExecAfter;
    std::erase_if(live.execs, [&](const auto& item) {
        const LiveExec& exec = item.second;
        if (!exec.ended_at || *exec.ended_at > limit) return false;
        context.registry.erase_exec(item.first);
        return true;
    });
}

// The container has no such user, or its working directory cannot be entered.
bool refused_by_guest(ErrorKind kind) {
    return kind == ErrorKind::invalid || kind == ErrorKind::forbidden ||
           kind == ErrorKind::not_found;
}

void end_exec(Context& context, const EntryPtr& entry, const std::string& id, int exit_code) {
    auto live = entry->live.lock();
    if (const auto found = live->execs.find(id); found != live->execs.end()) {
        found->second.exec.running = false;
        found->second.exec.exit_code = exit_code;
        found->second.ended_at = std::chrono::steady_clock::now();
        emit(context, live->container, "exec_die",
             {{"execID", id}, {"exitCode", std::to_string(exit_code)}});
    }
    entry->changed.notify_all();
}

struct Begun {
    Container container;
    ExecConfig config;
    std::shared_ptr<runtime::ShimClient> shim;
    std::string vm;
};
// Marks the exec as begun, so that nobody begins it again.
Result<Begun> begin_exec(Context& context, const EntryPtr& entry, const std::string& id) {
    Begun begun;
    {
        auto live = entry->live.lock();
        const auto found = live->execs.find(id);
        if (found == live->execs.end())
            return fail(ErrorKind::not_found, "No such exec instance: {}", id);
        HAKO_CHECK(check_runs(entry, *live, found->second.exec.config));
        if (found->second.started)
            return fail(ErrorKind::conflict, "exec command {} {}", id,
                        found->second.ended_at ? "has already run" : "is already running");
        found->second.started = true;
        begun = {live->container, found->second.exec.config, live->shim, {}};
    }
    if (!begun.container.state.running()) {
        auto shim = reach_stopped_macos(context, entry);
        if (!shim) {
            end_exec(context, entry, id, 126);
            return fail(std::move(shim).error());
        }
        begun.shim = *std::move(shim);
    }
    begun.vm = entry->live.lock()->vm_id();
    return begun;
}

Result<Session> open_session(Context& context, const EntryPtr& entry, const std::string& id,
                             const Begun& begun) {
    Session session;
    session.tty = begun.config.tty;
    session.on_detach = [&context, entry, id] {
        emit(context, entry, "exec_detach", {{"execID", id}});
    };
    if (begun.config.attach_stdin) {
        HAKO_TRY(session.input, begun.shim->open_input(id));
    }
    if (begun.config.attach_stdout || begun.config.attach_stderr) {
        runtime::SandboxSpec sandbox;
        sandbox.folder = context.layout.sandbox(begun.vm);
        HAKO_TRY(auto reader, runtime::LogReader::take(sandbox.exec_log(id)));
        const auto over = [id](const Entry::Live& live) {
            const auto found = live.execs.find(id);
            return found == live.execs.end() || found->second.ended_at.has_value();
        };
        session.output = follow_output(LogFollower(std::move(reader), entry, {over, {}}));
    }
    return session;
}

Result<Session> run_exec(Context& context, const EntryPtr& entry, const std::string& id,
                         const Begun& begun, const ExecStart& options) {
    Container container = begun.container;
    container.config.env = linked_environment(context, container);
    HAKO_TRY(const Json process, make_exec_process(container, begun.config, options.size));
    HAKO_CHECK(begun.shim->exec({.id = id,
                                 .process = dump_json(process),
                                 .open_stdin = begun.config.attach_stdin && !options.detach,
                                 .tty = begun.config.tty,
                                 .privileged = begun.config.privileged}));
    Session session;
    if (!options.detach) {
        HAKO_TRY(session, open_session(context, entry, id, begun));
    }
    HAKO_TRY(const runtime::StartedProcess started, begun.shim->start(id));
    auto live = entry->live.lock();
    if (const auto found = live->execs.find(id); found != live->execs.end()) {
        found->second.exec.pid = started.pid;
        found->second.exec.running = true;
    }
    emit(context, live->container, action_of("exec_start", begun.config), {{"execID", id}});
    return session;
}

}  // namespace

void watch_exec(Context& context, const EntryPtr& entry, const std::string& exec) {
    const auto shim = entry->live.lock()->shim;
    context.tasks.launch("exec", [&context, entry, exec, shim](std::stop_token stop) {
        const auto exit = shim->wait(exec, stop);
        if (!exit && stop.stop_requested()) return;
        // With its VM gone, it was killed.
        end_exec(context, entry, exec, exit ? exit->code : 137);
        if (!exit) return;
        if (auto deleted = shim->delete_exec(exec); !deleted)
            log_debug("exec {}: {}", exec, deleted.error().message());
    });
}

Result<std::string> create_exec(Context& context, const EntryPtr& entry, const ExecConfig& config) {
    if (config.cmd.empty() || config.cmd.front().empty())
        return fail(ErrorKind::invalid, "No exec command specified");
    Container settings;
    {
        auto live = entry->live.lock();
        HAKO_CHECK(check_runs(entry, *live, config));
        forget_old_execs(context, *live);
        if (live->execs.size() >= kMaxExecs)
            return fail(ErrorKind::exhausted, "container {} has {} execs already: try again later",
                        entry->id, kMaxExecs);
        settings = live->container;
    }
    HAKO_CHECK(make_exec_process(settings, config, std::nullopt));
    LiveExec exec;
    exec.exec = {.id = random_id(), .container_id = entry->id, .config = config};
    const std::string id = exec.exec.id;
    entry->live.lock()->execs.emplace(id, std::move(exec));
    context.registry.insert_exec(id, entry);
    emit(context, entry, action_of("exec_create", config), {{"execID", id}});
    return id;
}

Result<Session> start_exec(Context& context, const std::string& id, const ExecStart& options) {
    HAKO_TRY(const EntryPtr entry, context.registry.find_exec(id));
    HAKO_TRY(const Begun begun, begin_exec(context, entry, id));
    auto session = run_exec(context, entry, id, begun, options);
    if (session) {
        watch_exec(context, entry, id);
        return session;
    }
    const ErrorKind kind = session.error().kind();
    const bool missing = kind == ErrorKind::exec_not_found;
    end_exec(context, entry, id, missing ? 127 : 126);
    if (auto deleted = begun.shim->delete_exec(id); !deleted)
        log_debug("exec {}: {}", id, deleted.error().message());
    if (missing || kind == ErrorKind::exec_failed)
        return fail(explain_exec_failure(
            session.error(),
            "OCI runtime exec failed: exec failed: unable to start container process",
            begun.config.cmd));
    if (refused_by_guest(kind))
        return fail(ErrorKind::exec_failed, "{}", session.error().message());
    return session;
}

Result<std::string> Engine::create_exec(std::string_view container, const ExecConfig& config) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    return engine::create_exec(*context_, entry, config);
}

Result<Session> Engine::start_exec(std::string_view exec, const ExecStart& options) {
    return engine::start_exec(*context_, std::string(exec), options);
}

Result<Exec> Engine::inspect_exec(std::string_view exec) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find_exec(exec));
    auto live = entry->live.lock();
    const auto found = live->execs.find(std::string(exec));
    if (found == live->execs.end())
        return fail(ErrorKind::not_found, "No such exec instance: {}", exec);
    return found->second.exec;
}

Result<void> Engine::resize_exec(std::string_view exec, WindowSize size) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find_exec(exec));
    std::shared_ptr<runtime::ShimClient> shim;
    {
        auto live = entry->live.lock();
        const auto found = live->execs.find(std::string(exec));
        if (found == live->execs.end() || !found->second.exec.running)
            return fail(ErrorKind::conflict, "exec {} is not running", exec);
        shim = live->shim;
    }
    return shim->resize(exec, size.columns, size.rows);
}

}  // namespace hako::engine
