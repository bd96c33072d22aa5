// hakod's side of one container in one shim (proto/shim.proto). Every call has a deadline of its
// own, except those that wait for a process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/trace.h"
#include "guest/agent_client.h"
#include "runtime/exit_record.h"
#include "runtime/input_stream.h"
#include "runtime/sandbox_spec.h"
#include "vmm/machine_spec.h"

namespace hako::runtime {

// An exec to prepare.
struct ExecSpec {
    std::string id;
    std::string process;  // the OCI `process` object, JSON
    bool open_stdin = false;
    bool tty = false;
    bool privileged = false;  // without the seccomp filter
};

struct StartedProcess {
    int pid = 0;  // inside the VM
    WallTime started_at{};
    std::vector<Span> spans = {};  // of its first process: what the shim did up to then
};

struct ProcessState {
    std::string id;  // empty: the container's first process
    bool started = false;
    int pid = 0;
    std::optional<ExitRecord> exit;
};
struct SandboxState {
    int qemu_pid = 0;
    bool paused = false;
    std::vector<ProcessState> processes;
};

// Any thread may call anything. `process` is empty for the container's first process, else an
// exec's id. ErrorKind::unavailable: the shim is gone (then exit_record.h tells how it ended).
class ShimClient {
public:
    // container: the one that all calls are about.
    static Result<std::unique_ptr<ShimClient>> connect(const std::filesystem::path& socket,
                                                       std::string container);
    ShimClient() = default;
    ShimClient(const ShimClient&) = delete;
    ShimClient& operator=(const ShimClient&) = delete;
    virtual ~ShimClient() = default;

    // Waits until the VM is up and the first process of the container that it was booted for is
    // prepared; the error says why it is not.
    virtual Result<vmm::Accelerator> ready(std::stop_token stop) = 0;
    // Into the VM, which runs, and out of it, with its disks. Without any container the VM ends.
    // network: where it waited for this container.
    virtual Result<void> add(const ContainerSpec& spec, const NetworkSpec& network) = 0;
    virtual Result<void> remove() = 0;
    // exec_not_found and exec_failed: the process cannot be executed (exit status 127, 126).
    virtual Result<StartedProcess> start(std::string_view process) = 0;
    virtual Result<void> exec(const ExecSpec& spec) = 0;
    // all: every process of the container.
    virtual Result<void> signal(std::string_view process, int number, bool all) = 0;
    virtual Result<void> resize(std::string_view process, std::uint32_t columns,
                                std::uint32_t rows) = 0;
    virtual Result<std::unique_ptr<InputStream>> open_input(std::string_view process) = 0;
    // Until the process has ended and its log has its END record. ErrorKind::cancelled on stop.
    virtual Result<ExitRecord> wait(std::string_view process, std::stop_token stop) = 0;
    // The VM's CPUs, where the container has it to itself. Then the guest answers nothing: only
    // state, resume and shutdown work.
    virtual Result<void> pause() = 0;
    virtual Result<void> resume() = 0;
    // New limits: linux.resources of the OCI runtime spec, as JSON; what it lacks stays.
    virtual Result<void> update(const std::string& resources) = 0;
    // Of the whole VM: its guest takes cards and lets go of cards. What was done before an error
    // stays.
    virtual Result<void> change_network(const NetworkSpec& change) = 0;
    virtual Result<SandboxState> state() = 0;
    // Of the whole VM: its guest gives up so many bytes of caches, which go back to the host.
    // Answers how many there were. ErrorKind::conflict while it is paused.
    virtual Result<std::uint64_t> reclaim(std::uint64_t bytes) = 0;
    virtual Result<guest::Statistics> statistics() = 0;
    virtual Result<std::vector<guest::ProcessRow>> list_processes() = 0;
    // Files of the container, whether its first process runs or is only prepared.
    // Into an existing directory; where.container is this one.
    virtual Result<void> copy_in(const guest::CopyIn& where, Reader& tar, std::stop_token stop) = 0;
    // A tar of a path; of "/" without what is mounted in it.
    virtual Result<void> copy_out(const std::string& path, Writer& tar, std::stop_token stop) = 0;
    virtual Result<guest::PathStat> stat_path(const std::string& path) = 0;
    // What differs from the image: a layer's tar, or text for guest::parse_changes().
    // freeze: its processes stand still meanwhile.
    virtual Result<void> changes(bool list, bool freeze, Writer& out, std::stop_token stop) = 0;
    // Forgets an exec that ended, or that never started, and removes its log.
    virtual Result<void> delete_exec(std::string_view exec) = 0;
    // Ends VM and shim, whatever else runs there; returns when both are gone, as far as the shim
    // can tell.
    virtual Result<void> shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace hako::runtime
