// A sandbox's VM from power-on until it is ready for a container.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/process.h"
#include "guest/wake.h"
#include "network/links.h"
#include "network/tap.h"
#include "runtime/guest_mounts.h"
#include "runtime/sandbox.h"
#include "runtime/shim_record.h"
#include "runtime/template_builder.h"
#include "vmm/qemu/arguments.h"

namespace hako::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int kBootAttempts = 3;
// How long the end of a VM may come behind the end of its channel.
constexpr milliseconds kLastWords(200);
constexpr milliseconds kRehearsal(30'000);
constexpr milliseconds kDoze(10'000);

// The guest is to look at the card no more.
NetworkSpec::Interface let_go(const vmm::Nic& nic) {
    NetworkSpec::Interface interface;
    interface.card = nic.mac;
    return interface;
}

}  // namespace

Result<void> Sandbox::boot() {
    vmm::MachineSpec spec = spec_.machine;
    std::filesystem::path of_no_use;
    for (int attempt = 1;; ++attempt) {
        auto booted = boot_once(spec);
        if (booted) {
            // What it cannot do a boot can: hakod makes another one.
            std::error_code ignored;
            if (!of_no_use.empty()) std::filesystem::remove(of_no_use, ignored);
            return booted;
        }
        const auto machine = state_.lock()->machine;
        // Nothing of the user's has run yet. A guest that fell while it booted gets another try:
        // emulated processors are not perfect. A VM that hangs or is refused does not; but for one
        // that was loaded, there is still the boot.
        const auto ended = machine ? machine->wait(kLastWords)
                                   : Result<std::optional<vmm::MachineEnd>>(std::nullopt);
        auto state = state_.lock();
        // What was asked for cannot be had, by another way neither.
        if (state->stop_grace || booted.error().kind() == ErrorKind::invalid) return booted;
        // It is only for the template that it loads.
        if (!spec_.keeps.empty()) return booted;
        if (!spec.checkpoint.empty()) {
            log_warn("the checkpoint {} is of no use, loading the template instead: {}",
                     spec.checkpoint.native(), booted.error().message());
            std::error_code ignored;
            std::filesystem::remove(std::exchange(spec.checkpoint, {}), ignored);
            attempt = 0;
        } else if (!spec.state.empty()) {
            log_warn("the template {} is of no use, booting instead: {}", spec.state.native(),
                     booted.error().message());
            of_no_use = std::exchange(spec.state, {});
            attempt = 0;
        } else if (attempt == kBootAttempts || !ended || !*ended) {
            return booted;
        } else {
            log_warn("boot {} of {} failed, trying again: {}", attempt, kBootAttempts,
                     booted.error().message());
        }
        state->containers.clear();
        state->emulators.clear();
        shares_.restart(spec_.machine.shares);
        state->agent.reset();
        state->machine.reset();
    }
}

Result<void> Sandbox::boot_once(const vmm::MachineSpec& spec) {
    HAKO_TRY(const auto self, identify_process(::getpid()));
    vmm::MachineOptions options = programs_;
    options.console_log = spec_.console_log();
    options.open_tap = [this](const vmm::Nic& nic) { return open_tap(nic); };
    taps_.clear();
    auto launch = std::make_optional<Trace::Timer>(trace_, "start QEMU");
    HAKO_TRY(auto started, vmm::Machine::start(spec, options));
    launch.reset();
    const std::shared_ptr<vmm::Machine> machine = std::move(started);
    {
        auto state = state_.lock();
        if (state->stop_grace) return fail(ErrorKind::cancelled, "the VM is not wanted any more");
        state->machine = machine;
    }
    HAKO_TRY(const auto qemu, identify_process(machine->pid()));
    HAKO_CHECK(write_shim_record(spec_.shim_record(), {.shim = self, .qemu = qemu}));

    // While the guest boots, there is time.
    if (!spec_.container.id.empty()) {
        HAKO_TRY(const auto process, first_process(spec_.container));
        HAKO_CHECK(filters_.find(spec_.container.seccomp, process));
    }
    const auto agent = reach_agent(*machine, spec);
    if (!agent) {
        // Its end may be just behind the broken channel; the console says why.
        (void)machine->wait(kLastWords);
        return fail(machine->explain(agent.error().kind(),
                                     "the VM does not start: " + agent.error().message()));
    }
    state_.lock()->agent = *agent;
    HAKO_CHECK(prepare_guest({machine, *agent}, spec));
    if (!spec_.waits) return prepare_container({machine, *agent}, spec_.container);
    HAKO_CHECK(rehearse({machine, *agent}));
    return spec_.keeps.empty() ? Result<void>() : keep({machine, *agent}, spec);
}

// Its guest waits again, as in the template: it is another one's that goes on from there.
Result<void> Sandbox::keep(const Parts& vm, const vmm::MachineSpec& spec) {
    const auto timer = trace_.time("keep the VM");
    HAKO_CHECK(vm.second->doze());
    HAKO_CHECK(relay_->wait_closed(kDoze));
    HAKO_CHECK(say_doze(relay_->channel(), kDoze));
    return vm.first->keep(spec, spec_.keeps);
}

// A tap is opened by one at a time, and another QEMU may come until the VM is ready.
Result<Fd> Sandbox::open_tap(const vmm::Nic& nic) {
    if (spec_.waits || nic.spare) return network::attach_tap(nic.tap);
    HAKO_TRY(Fd tap, network::open_tap(nic.tap));
    HAKO_TRY(Fd copy, tap.duplicate());
    taps_.push_back(std::move(copy));
    return tap;
}

Result<std::shared_ptr<guest::AgentClient>> Sandbox::reach_agent(vmm::Machine& machine,
                                                                 const vmm::MachineSpec& spec) {
    const auto begun = std::chrono::steady_clock::now();
    const bool loads = !spec.state.empty();
    const auto timer = trace_.time(loads ? "load the guest" : "boot the guest");
    const auto deadline =
        spec_.boot_deadline.count() > 0 && !loads ? spec_.boot_deadline : vmm::agent_deadline(spec);
    HAKO_TRY(Fd channel, machine.take_agent_channel(deadline));
    if (!spec_.keeps.empty()) {
        HAKO_TRY(relay_, RelayedChannel::start(std::move(channel)));
        channel = relay_->take_end();
    }
    if (loads) HAKO_CHECK(send_wake(channel.get(), vmm::slots_to_look_into(spec)));
    HAKO_TRY(std::shared_ptr<guest::AgentClient> agent,
             guest::AgentClient::connect(std::move(channel)));
    HAKO_TRY(const auto info, agent->info(deadline));
    const auto took = std::chrono::steady_clock::now() - begun;
    log_info("vminitd {} on kernel {}{}: agent answered after {} ms", info.version,
             info.kernel_release,
             !spec.checkpoint.empty() ? " from a checkpoint"
             : loads                  ? " from a template"
                                      : "",
             std::chrono::duration_cast<milliseconds>(took).count());
    return agent;
}

Result<void> Sandbox::prepare_guest(const Parts& vm, const vmm::MachineSpec& spec) {
    guest::AgentClient& agent = *vm.second;
    const auto timer = trace_.time("set up the guest");
    // One that was loaded has been told with its wake.
    if (spec.state.empty()) {
        HAKO_TRY(const auto wake, guest::make_wake());
        HAKO_CHECK(agent.set_time(wake.time));
        HAKO_CHECK(agent.add_entropy(as_bytes(wake.entropy)));
    }
    if (vmm::has_share_device(spec)) HAKO_CHECK(mount_shares(agent, vm.first->max_shared_files()));
    NetworkSpec network = spec_.network;
    // One that booted has looked into all slots.
    for (const auto& nic : spec.nics)
        if (nic.spare && spec.state.empty()) network.interfaces.push_back(let_go(nic));
    if (network.interfaces.empty()) return {};
    return with_context(agent.configure_network(network), "cannot set up the network");
}

// Every start goes this way: what the guest sets up when it first needs it, and what an emulated
// processor translates when it first runs it, is there for the one that counts.
Result<void> Sandbox::rehearse(const Parts& vm) {
    const std::string& id = spec_.container.id;
    if (id.empty()) return {};
    const auto run = [&]() -> Result<void> {
        HAKO_CHECK(rehearse_network(*vm.second));
        HAKO_CHECK(prepare_container(vm, spec_.container));
        HAKO_TRY(const ContainerRef container, this->container(id));
        HAKO_TRY(const auto first, container->process(""));
        HAKO_CHECK(first->start());
        if (!first->wait(kRehearsal)) log_warn("the rehearsal does not end");
        return remove_container(id);
    };
    const auto done = run();
    std::error_code ignored;
    for (const auto& extent : spec_.container.scratch.extents)
        std::filesystem::remove(extent, ignored);
    return with_context(done, "the rehearsal fails");
}

// Its tap is down: nothing of this leaves the VM.
Result<void> Sandbox::rehearse_network(guest::AgentClient& agent) const {
    const auto card = std::ranges::find(spec_.machine.nics, false, &vmm::Nic::spare);
    if (card == spec_.machine.nics.end()) return {};
    // Addresses for documentation (RFC 5737).
    const NetworkSpec::Interface interface {
        .name = "eth0", .addresses = {"192.0.2.2/24"}, .mac = card->mac, .card = card->mac
    };
    HAKO_CHECK(agent.configure_network(
        {.interfaces = {interface}, .routes = {{"default", "192.0.2.1", "eth0"}}, .hostname = {}}));
    return agent.configure_network({.interfaces = {let_go(*card)}, .routes = {}, .hostname = {}});
}

// What the VM has of one that runs, it gets from its first container.
Result<void> Sandbox::end_wait(guest::AgentClient& agent, NetworkSpec network) {
    // Its host may have slept meanwhile.
    {
        const auto timer = trace_.time("set its clock");
        HAKO_CHECK(agent.set_time(now()));
    }
    for (const auto& nic : spec_.machine.nics)
        if (!nic.spare &&
            std::ranges::find(network.interfaces, nic.mac, &NetworkSpec::Interface::card) ==
                network.interfaces.end())
            network.interfaces.push_back(let_go(nic));
    if (network.interfaces.empty()) return {};
    const auto timer = trace_.time("set up the network");
    return with_context(agent.configure_network(network), "cannot set up the network");
}

}  // namespace hako::runtime
