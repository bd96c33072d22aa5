// One container of a sandbox: its mounts, processes and files in the guest.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/trace.h"
#include "guest/agent_client.h"
#include "runtime/container_process.h"
#include "runtime/sandbox_spec.h"
#include "runtime/seccomp.h"
#include "runtime/socket_relays.h"

namespace hako::runtime {

// Any thread may call anything. `process` is empty for the first process, else an exec's id.
class Container {
public:
    using ProcessRef = std::shared_ptr<ContainerProcess>;
    using Processes = std::map<std::string, ProcessRef>;

    // What it needs of its sandbox, which outlives it.
    struct Host {
        std::shared_ptr<guest::AgentClient> agent;
        SeccompFilters& filters;
        std::filesystem::path folder;  // for the logs of execs
        Trace& trace;
        ConnectionSlots& slots;
        std::filesystem::path published_sockets;  // where they are noted
        ContainerProcess::ExplainLoss explain_loss;
        // The first process' exit is recorded, or another process is made.
        std::function<void()> on_change;
    };
    // Mounts its disks, which the VM has by now, and prepares its first process.
    static Result<std::shared_ptr<Container>> create(ContainerSpec spec, Host host);
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    const ContainerSpec& spec() const { return spec_; }
    Processes processes() const { return *processes_.lock(); }
    Result<ProcessRef> process(std::string_view id) const;
    // Whether its first process has ended.
    bool ended() const { return ended_; }

    Result<void> exec(const std::string& id, std::string process, bool open_stdin, bool privileged);
    Result<void> delete_exec(const std::string& id);
    Result<void> signal(std::string_view process, int number, bool all);
    Result<void> resize(std::string_view process, unsigned columns, unsigned rows);
    Result<std::string> statistics();                        // serialised, as AgentClient gives it
    Result<std::string> list_processes();                    // likewise
    Result<void> update(const std::string& resources);       // linux.resources, as JSON
    Result<void> change_network(const NetworkSpec& change);  // of the VM
    // Its processes stand still; the rest of the VM runs on.
    Result<void> freeze(bool frozen);
    bool frozen() const { return frozen_; }
    // Files: through its first process' mounts, which need not run yet.
    Result<void> copy_in(guest::CopyIn where, Reader& tar);
    Result<void> copy_out(const std::string& path, Writer& tar);
    Result<guest::PathStat> stat_path(const std::string& path);
    Result<void> changes(bool list, Writer& out);
    // Of its sockets, when its processes have ended: SocketRelays::finish().
    void finish_sockets(std::chrono::milliseconds timeout);
    // Kills what is left of it in the guest and unmounts its disks.
    Result<void> remove();

private:
    Container(ContainerSpec spec, Host host) : spec_(std::move(spec)), host_(std::move(host)) {}

    Result<void> prepare();
    Result<void> create_process(const std::string& id, std::string process, bool open_stdin,
                                const std::string& seccomp);
    std::string process_id(std::string_view process) const;
    std::filesystem::path exec_log(std::string_view exec) const;

    const ContainerSpec spec_;
    const Host host_;
    std::atomic<bool> ended_ = false;
    std::atomic<bool> frozen_ = false;
    std::unique_ptr<SocketRelays> relays_;  // of a container with sockets
    // The first one's id is the container's. Last, for they use the rest.
    Guarded<Processes> processes_;
};

}  // namespace hako::runtime
