// What a shim runs: the VM, the container in it and its processes, from power-on to the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "guest/agent_client.h"
#include "runtime/container_process.h"
#include "runtime/sandbox_spec.h"
#include "vmm/machine.h"

namespace hako::runtime {

// run() belongs to one thread, which must live as long as the sandbox; any thread may call the
// rest. `process` is empty for the container's first process, else an exec's id.
class Sandbox {
public:
    using ProcessRef = std::shared_ptr<ContainerProcess>;

    // jail: as MachineOptions::jail.
    Sandbox(SandboxSpec spec, std::vector<std::string> jail);
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;
    ~Sandbox();

    // Boots, prepares the container, and returns when the first process has ended, the VM died or
    // shutdown() was called; by then QEMU is gone and the exit record written.
    void run();

    // Waits for the end of the preparation; nullopt after the time-out. The error tells why there
    // is no container.
    std::optional<Result<void>> wait_ready(std::chrono::milliseconds timeout);
    Result<ProcessRef> process(std::string_view id) const;
    Result<void> exec(const std::string& id, std::string process, bool open_stdin, bool privileged);
    Result<void> delete_exec(const std::string& id);
    Result<void> signal(std::string_view process, int number, bool all);
    Result<void> resize(std::string_view process, unsigned columns, unsigned rows);
    Result<std::string> statistics();                   // serialised, as AgentClient gives it
    Result<std::string> list_processes();               // likewise
    Result<void> update(const std::string& resources);  // linux.resources, as JSON
    // The VM's CPUs.
    Result<void> pause();
    Result<void> resume();
    // Files of the container: through its first process' mounts, which need not run yet.
    Result<void> copy_in(const std::string& path, bool no_overwrite_dir_non_dir, Reader& tar);
    Result<void> copy_out(const std::string& path, Writer& tar);
    Result<guest::PathStat> stat_path(const std::string& path);
    Result<void> changes(bool list, Writer& out);
    // Powers the guest off within the grace time, or kills it: at once without a grace time.
    // Returns when QEMU is gone; ErrorKind::deadline where it does not go.
    Result<void> shutdown(std::chrono::milliseconds grace);

    struct Snapshot {
        pid_t qemu = 0;
        bool paused = false;
        std::map<std::string, ProcessRef> processes;
    };
    Snapshot snapshot() const;
    const SandboxSpec& spec() const { return spec_; }

private:
    enum class Phase { booting, ready, failed, gone };
    struct State {
        Phase phase = Phase::booting;
        std::optional<Error> failure;
        std::optional<std::chrono::milliseconds> stop_grace;  // once somebody asked for the end
        bool paused = false;
        // In this order: processes use the agent, the agent uses the machine.
        std::shared_ptr<vmm::Machine> machine;
        std::shared_ptr<guest::AgentClient> agent;
        std::map<std::string, ProcessRef> processes;  // the first one's id is the container's
    };

    Result<void> boot();
    Result<void> boot_once();
    Result<void> prepare_guest(guest::AgentClient& agent);
    Result<void> prepare_container(guest::AgentClient& agent, std::string process);
    Result<ProcessRef> create_process(const std::string& id, std::string process, bool open_stdin,
                                      bool seccomp);
    Result<std::shared_ptr<guest::AgentClient>> agent() const;
    std::string explain_loss() const;
    bool stop_asked() const { return state_.lock()->stop_grace.has_value(); }
    void wait_for_end();
    void tear_down();
    void enter(Phase phase, std::optional<Error> failure = {});
    std::string process_id(std::string_view process) const;
    Result<std::string> seccomp_filter(const std::string& process);

    const SandboxSpec spec_;
    const std::vector<std::string> jail_;
    // By capabilities: making one takes as long as an exec.
    Guarded<std::map<std::set<std::string>, std::string>> filters_;
    Fd bell_;  // eventfd: run() shall look whether it is over
    Guarded<State> state_;
    mutable std::condition_variable changed_;
};

}  // namespace hako::runtime
