// One running virtual machine: a jailed QEMU, its QMP connection, its console and the byte stream
// to its agent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "vmm/machine_spec.h"

namespace hako::vmm {

struct MachineOptions {
    // The program that sets the jail up and becomes QEMU (vmm/jail.h), with its first arguments:
    // {"<bin>/hako-shim", "jail"}.
    std::vector<std::string> jail;
    // Likewise for the shares' server (vmm/share_server.h): {"<bin>/hako-shim", "shares"}. For
    // machines with shares only.
    std::vector<std::string> share_stage = {};
    // The console's output is copied here, up to 1 MiB; empty: nowhere.
    std::filesystem::path console_log;
    // Opens a card's tap; for machines with network cards.
    std::function<Result<Fd>(const Nic& nic)> open_tap;
    // For QEMU to answer on QMP. The agent's own deadline is agent_deadline().
    std::chrono::milliseconds start_deadline = std::chrono::seconds(20);
    bool saves = false;     // save_state() will be called
    bool is_trial = false;  // what serves the shares says nothing to our standard error
};

// How a machine ended.
struct MachineEnd {
    ExitStatus status;   // of QEMU
    std::string reason;  // a sentence: the guest kernel's panic, QEMU's last words, its signal
};

// How long the guest may take from power-on, or from being loaded, to the agent's first answer.
std::chrono::milliseconds agent_deadline(const MachineSpec& spec);

// Any thread may call anything. The destructor kills QEMU and removes its cgroup.
class Machine {
public:
    // The calling thread must live as long as the machine: QEMU is killed when it ends.
    // ErrorKind::not_found names the package when there is no QEMU; ErrorKind::deadline when QEMU
    // hangs; else the error carries QEMU's last words and the console's tail.
    static Result<std::unique_ptr<Machine>> start(const MachineSpec& spec,
                                                  const MachineOptions& options);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine();

    // The host's end of the agent channel, once. With vsock this connects, and waits for the guest
    // to listen until the deadline.
    Result<Fd> take_agent_channel(std::chrono::milliseconds deadline);

    pid_t pid() const;
    // Readable once QEMU has ended, for poll(2).
    int end_fd() const;
    // Likewise of the process that serves its shares; -1: it has none.
    int share_end_fd() const;
    // How many files of its shares the guest may know of (ShareServer::max_files()); 0: any number.
    std::size_t max_shared_files() const;
    // Nullopt when it still runs after the time-out; no time-out waits for ever.
    Result<std::optional<MachineEnd>> wait(std::optional<std::chrono::milliseconds> timeout = {});
    // Asks QEMU to quit, waits for the grace time, then kills. The guest is not asked: that is the
    // agent's PowerOff. Returns when QEMU is gone.
    Result<void> stop(std::chrono::milliseconds grace);

    // The CPUs stand still, and run again. Idempotent.
    Result<void> pause();
    Result<void> resume();

    // The memory that translated code is in, where the processor is emulated; the guest's next work
    // is translated anew.
    void give_up_translations();

    // A disk for the running machine, in a bay or not; and its removal once the guest has unmounted
    // it (vmm/hotplug.h).
    Result<void> attach_disk(const Disk& disk);
    Result<std::string> insert_disk(const Disk& disk);
    Result<void> detach_disk(const std::string& serial);
    // Folders and files of the host, for a machine that takes some (vmm/share_server.h).
    Result<void> add_shares(const std::vector<Share>& shares);
    Result<void> remove_shares(const std::vector<std::string>& names);
    // For MachineOptions::saves. Writes the state of the devices to the file, from its offset on;
    // the CPUs stand still afterwards. The memory is its own file, for reading.
    Result<Fd> save_state(int file, std::chrono::milliseconds deadline);
    // Writes a checkpoint of the QEMU (vmm/checkpoint.h), which was started with this spec and has
    // loaded a template: afterwards it stands still for ever, and can only be stopped without
    // grace.
    Result<void> keep(const MachineSpec& spec, const std::filesystem::path& path);

    std::string console_tail() const;
    // What went wrong, with the panic or the console's and QEMU's last lines behind it.
    Error explain(ErrorKind kind, std::string_view sentence) const;

private:
    class Impl;
    explicit Machine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Kills what a crashed owner left of the machine: its processes (found by their cgroup) and its
// cgroup. No error when there is nothing.
Result<void> cleanup_machine(std::string_view id);

}  // namespace hako::vmm
