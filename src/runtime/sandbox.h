// What a shim runs: the VM and the containers in it, from power-on to the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/trace.h"
#include "guest/agent_client.h"
#include "runtime/container.h"
#include "runtime/relayed_channel.h"
#include "runtime/sandbox_spec.h"
#include "runtime/vm_shares.h"
#include "vmm/machine.h"

namespace hako::runtime {

// run() belongs to one thread, which must live as long as the sandbox; any thread may call the
// rest.
class Sandbox {
public:
    using ContainerRef = std::shared_ptr<Container>;

    // Of the programs only: jail and share_stage.
    Sandbox(SandboxSpec spec, vmm::MachineOptions programs);
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;
    ~Sandbox();

    // Boots, prepares the spec's container, and returns when the last container has ended, the VM
    // died or shutdown() was called; by then QEMU is gone and the exit records written.
    void run();

    // Waits for the end of the preparation; nullopt after the time-out. The error tells why there
    // is no container.
    std::optional<Result<void>> wait_ready(std::chrono::milliseconds timeout);
    // Also while the VM ends.
    Result<ContainerRef> container(std::string_view id) const;
    // network: that of a VM that waited; it gets none later.
    Result<void> add_container(ContainerSpec spec, NetworkSpec network = {});
    // The VM ends with the last one.
    Result<void> remove_container(const std::string& id);
    // The container's processes, and where it has the VM to itself, the VM's CPUs.
    Result<void> pause(std::string_view id);
    Result<void> resume(std::string_view id);
    // While the result lives, the CPUs of a paused VM run, for calls that need its guest; the
    // container's processes stand still. It ends before the sandbox.
    using Stir = std::unique_ptr<Sandbox, void (*)(Sandbox*)>;
    Result<Stir> stir(const Container& container);
    // Powers the guest off within the grace time, or kills it: at once without a grace time.
    // Returns when QEMU is gone; ErrorKind::deadline where it does not go.
    Result<void> shutdown(std::chrono::milliseconds grace);

    Result<std::uint64_t> reclaim(std::uint64_t bytes);

    struct Snapshot {
        pid_t qemu = 0;
        bool paused = false;  // the container
        Container::Processes processes;
    };
    Result<Snapshot> snapshot(std::string_view container) const;
    const SandboxSpec& spec() const { return spec_; }
    Trace& trace() { return trace_; }  // from the shim's start on

private:
    enum class Phase { booting, ready, ending, failed, gone };
    struct State {
        Phase phase = Phase::booting;
        std::optional<Error> failure;
        std::optional<std::chrono::milliseconds> stop_grace;  // once somebody asked for the end
        bool waits = false;                                   // for its first container
        bool paused = false;                                  // the VM's CPUs
        int stirs = 0;                                        // though they run for these
        // In this order: processes use the agent, the agent uses the machine.
        std::shared_ptr<vmm::Machine> machine;
        std::shared_ptr<guest::AgentClient> agent;
        std::map<std::string, ContainerRef, std::less<>> containers;
        std::set<std::string> coming;     // ids of containers that are being added
        std::set<std::string> emulators;  // installed ones, by architecture
    };
    using Parts = std::pair<std::shared_ptr<vmm::Machine>, std::shared_ptr<guest::AgentClient>>;

    Result<void> boot();
    Result<void> boot_once(const vmm::MachineSpec& spec);
    Result<std::shared_ptr<guest::AgentClient>> reach_agent(vmm::Machine& machine,
                                                            const vmm::MachineSpec& spec);
    Result<void> prepare_guest(const Parts& vm, const vmm::MachineSpec& spec);
    Result<void> prepare_container(const Parts& vm, ContainerSpec spec);
    Result<void> rehearse(const Parts& vm);
    Result<void> keep(const Parts& vm, const vmm::MachineSpec& spec);
    Result<void> rehearse_network(guest::AgentClient& agent) const;
    Result<void> end_wait(guest::AgentClient& agent, NetworkSpec network);
    Result<Fd> open_tap(const vmm::Nic& nic);
    Result<void> install_emulator(const Parts& vm, const ContainerSpec& spec);
    bool is_own_disk(const vmm::Disk& disk) const;
    Result<void> attach_files(vmm::Machine& machine, ContainerSpec& spec);
    Result<void> attach_disks(vmm::Machine& machine, ContainerSpec& spec);
    void detach_disks(vmm::Machine& machine, const ContainerSpec& spec);
    void detach_files(vmm::Machine& machine, const ContainerSpec& spec);
    std::string explain_loss() const;
    bool stop_asked() const { return state_.lock()->stop_grace.has_value(); }
    void settle();
    void ring();
    void wait_for_end();
    void end_without_shares(vmm::Machine& machine);
    bool is_over();
    void tear_down();
    void enter(Phase phase, std::optional<Error> failure = {});

    const SandboxSpec spec_;
    const vmm::MachineOptions programs_;
    SeccompFilters filters_;
    Trace trace_{"hako-shim"};
    // Copies of the taps' descriptors, until the VM is ready: then they shall go with QEMU.
    std::vector<Fd> taps_;
    ConnectionSlots slots_;
    VmShares shares_;
    std::unique_ptr<RelayedChannel> relay_;  // where the VM is to be kept
    Fd bell_;                                // eventfd: run() shall look whether it is over
    Guarded<State> state_;
    mutable std::condition_variable changed_;
};

}  // namespace hako::runtime
