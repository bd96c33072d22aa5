#include "runtime/template_builder.h"

#include <thread>

#include "base/log.h"
#include "guest/agent_client.h"
#include "guest/wake.h"
#include "network/links.h"
#include "network/tap.h"
#include "runtime/guest_mounts.h"
#include "vmm/cgroup.h"
#include "vmm/qemu/arguments.h"
#include "vmm/template_devices.h"
#include "vmm/template_writer.h"

namespace hako::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int kAttempts = 3;
constexpr std::string_view kName = "template-";
// What the kernel does within its first second, such as measuring its clock once more and changing to
// it, is done before: else each guest that is loaded does it, beside its container's start.
constexpr milliseconds kSettle(1500);
constexpr milliseconds kSaveDeadline(60'000);
constexpr milliseconds kQuitGrace(1'000);

vmm::MachineSpec machine_of(const TemplateJob& job) {
    const auto id = std::string(kName) + random_id().substr(0, 12);
    return vmm::template_machine(job.spec, id, network::tap_name(id, vmm::kFirstCardMac));
}

// Its card's tap goes with it.
vmm::MachineOptions options_of(const TemplateJob& job) {
    vmm::MachineOptions options = job.programs;
    options.open_tap = [](const vmm::Nic& nic) { return network::attach_tap(nic.tap); };
    return options;
}

// Until vminitd says that it waits. may_be_restless: whatever timer it has.
Result<Fd> wait_for_guest(vmm::Machine& machine, const vmm::MachineSpec& spec,
                          bool may_be_restless) {
    const auto deadline = vmm::agent_deadline(spec);
    HAKO_TRY(Fd channel, machine.take_agent_channel(deadline));
    HAKO_TRY(const bool spoke, wait_readable(channel.get(), deadline));
    std::byte word{};
    HAKO_TRY(const auto count,
             spoke ? read_some(channel.get(), {&word, 1}) : Result<std::size_t>(0));
    if (count == 1 && word == std::byte{guest::kWaits}) return channel;
    if (count != 1 || word != std::byte{guest::kWaitsRestless})
        return fail(machine.explain(ErrorKind::unavailable, "the guest does not wait to be saved"));
    if (may_be_restless) return channel;
    return fail(ErrorKind::unavailable,
                "the guest's kernel could not measure its timer, the host is busy");
}

Result<void> load(const TemplateJob& job, const std::filesystem::path& state, bool takes_shares,
                  const std::stop_token& stop) {
    auto spec = machine_of(job);
    spec.state = state;
    spec.takes_shares = takes_shares;
    vmm::MachineOptions options = options_of(job);
    options.is_trial = true;
    HAKO_TRY(const auto machine, vmm::Machine::start(spec, options));
    const std::stop_callback killer(stop, [&] { (void)machine->stop(milliseconds(0)); });
    const auto reach_agent = [&]() -> Result<void> {
        HAKO_TRY(Fd channel, machine->take_agent_channel(vmm::agent_deadline(spec)));
        HAKO_CHECK(send_wake(channel.get(), vmm::slots_to_look_into(spec)));
        HAKO_TRY(const auto agent, guest::AgentClient::connect(std::move(channel)));
        HAKO_TRY([[maybe_unused]] const auto info, agent->info(vmm::agent_deadline(spec)));
        return takes_shares ? mount_shares(*agent, machine->max_shared_files()) : Result<void>();
    };
    const auto reached = reach_agent();
    if (!reached) return fail(machine->explain(reached.error().kind(), reached.error().message()));
    return machine->stop(kQuitGrace);
}

}  // namespace

Result<void> send_wake(int channel, unsigned slots) {
    HAKO_TRY(auto wake, guest::make_wake());
    wake.slots = slots;
    return with_context(write_all(channel, guest::encode(wake)), "cannot wake the guest");
}

namespace {

// again: the first attempt failed. The guest then takes the timer that is right on a busy host,
// too.
Result<void> build_once(const TemplateJob& job, bool again, const std::stop_token& stop) {
    auto spec = machine_of(job);
    if (again && spec.accelerator == vmm::Accelerator::tcg)
        spec.kernel_arguments.emplace_back("nolapic_timer");
    HAKO_TRY(auto writer, vmm::TemplateWriter::create(job.path, vmm::memory_bytes_of(spec)));
    spec.kernel_arguments.emplace_back("hako.wake=1");
    {
        vmm::MachineOptions options = options_of(job);
        options.saves = true;
        HAKO_TRY(const auto machine, vmm::Machine::start(spec, options));
        const std::stop_callback killer(stop, [&] { (void)machine->stop(milliseconds(0)); });
        // Open until the state is saved: the guest is to see the same host as when it is loaded.
        HAKO_TRY(const Fd channel, wait_for_guest(*machine, spec, again));
        std::this_thread::sleep_for(kSettle);
        HAKO_TRY(const Fd memory, machine->save_state(writer.state(), kSaveDeadline));
        HAKO_CHECK(writer.write_memory(memory.get()));
        HAKO_CHECK(machine->stop(kQuitGrace));
    }
    HAKO_CHECK(writer.finish({.key = job.shape.key, .shape = job.shape.parts, .created = now()}));
    HAKO_CHECK(
        with_context(load(job, writer.temporary(), false, stop), "the new template does not load"));
    return writer.publish();
}

}  // namespace

Result<void> build_template(const TemplateJob& job, const std::stop_token& stop) {
    for (int attempt = 1;; ++attempt) {
        auto built = build_once(job, attempt > 1, stop);
        // As a boot: a guest that fell gets another try, emulated processors are not perfect.
        if (built || stop.stop_requested() || attempt == kAttempts ||
            built.error().kind() != ErrorKind::unavailable)
            return built;
        log_warn("template {}, attempt {} of {}: {}", job.shape.key, attempt, kAttempts,
                 built.error().message());
    }
}

Result<void> check_template(const TemplateJob& job, const std::stop_token& stop) {
    HAKO_CHECK(vmm::verify_template(job.path));
    return with_context(load(job, job.path, false, stop), "the template does not load");
}

Result<void> try_template_with_shares(const TemplateJob& job, const std::stop_token& stop) {
    return load(job, job.path, true, stop);
}

void remove_template_leftovers() { vmm::CgroupTree().remove_empty(kName); }

}  // namespace hako::runtime
