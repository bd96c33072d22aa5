// What VMs that wait for a container are started with.
#include "engine/context.h"
#include "engine/scratch.h"
#include "engine/settings.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kImage = "hako/hello";
constexpr int kAttempts = 5;
constexpr std::uint64_t kScratchBytes = 64 * kMiB;

// Runs `true`. Its files are in the VM's folder, and go with it.
Result<runtime::ContainerSpec> plan_rehearsal(Context& context, const images::Image& image,
                                              const std::filesystem::path& folder,
                                              bool takes_shares) {
    CreateRequest request;
    request.config.image = kImage;
    request.config.cmd = {"true"};
    request.host_config.network_mode = "none";
    HAKO_TRY(Container container, make_container(request, image, random_id(), context.host_cpus));
    container.name = "rehearsal";
    if (takes_shares) {
        const auto share = folder / "share";
        HAKO_CHECK(make_folders(share));
        container.mounts.push_back(
            {.type = MountType::bind, .source = share.native(), .target = "/mnt"});
    }
    HAKO_TRY(const runtime::SandboxSpec planned, plan_sandbox(context, container));
    runtime::ContainerSpec spec = planned.container;
    HAKO_CHECK(make_folders(folder));
    const auto scratch = folder / "rehearsal.ext4";
    HAKO_CHECK(make_scratch(scratch, kScratchBytes));
    spec.scratch.extents = {scratch};
    spec.log.file = folder / "rehearsal.log";
    spec.exit_record = folder / "rehearsal.json";
    return spec;
}

// One that loads machine.state. A checkpoint's guest has rehearsed already; done once more, it has
// the pages of its own that a start writes to.
Result<runtime::SandboxSpec> plan_waiting(Context& context, vmm::MachineSpec machine,
                                          bool rehearses) {
    runtime::SandboxSpec spec{.id = random_id(), .waits = true};
    machine.id = spec.id;
    for (vmm::Nic& nic : machine.nics) nic.tap = waiting_tap(spec.id, nic.mac);
    add_spare_card(machine, spec.id);
    vmm::choose_agent_channel(machine);  // with an own address, where it has one
    spec.machine = std::move(machine);
    spec.folder = context.layout.sandbox(spec.id);
    if (!spec.machine.checkpoint.empty() && !rehearses) return spec;
    // Somebody may have removed the image: then there is no rehearsal.
    if (const auto image = context.world.images->find(kImage, {})) {
        HAKO_TRY(spec.container,
                 plan_rehearsal(context, *image, spec.folder, spec.machine.takes_shares));
    }
    return spec;
}

Result<runtime::SandboxSpec> plan_warm(Context& context, vmm::MachineSpec machine, bool rehearses) {
    machine.state = context.templates->find(machine);
    if (machine.state.empty()) return fail(ErrorKind::not_found, "there is no template yet");
    machine.checkpoint = context.templates->find_checkpoint(machine);
    return plan_waiting(context, std::move(machine), rehearses);
}

}  // namespace

// The one that is kept has rehearsed a start, and the one that goes on from it is tried.
Result<void> keep_template(Context& context, const runtime::TemplateJob& job,
                           const std::filesystem::path& path, const std::stop_token& stop) {
    SandboxDriver& driver = *context.world.sandboxes;
    vmm::MachineSpec machine = job.spec;
    machine.state = job.path;
    const auto run = [&](const fs::path& from, const fs::path& to) -> Result<void> {
        machine.checkpoint = from;
        HAKO_TRY(auto spec, plan_waiting(context, machine, !to.empty()));
        spec.keeps = to;
        if (!to.empty() && spec.container.id.empty())
            return fail(ErrorKind::not_found, "there is no image {} to rehearse with", kImage);
        const auto done = spawn_and_wait(driver, spec, stop);
        const auto gone = driver.cleanup(spec.id, {});
        return done ? gone : done;
    };
    // QEMU may be woken by something just when it is looked at.
    auto kept = run({}, path);
    for (int attempt = 1; attempt < kAttempts && !kept && !stop.stop_requested() &&
                          kept.error().kind() == ErrorKind::unavailable;
         ++attempt)
        kept = run({}, path);
    HAKO_CHECK(kept);
    HAKO_CHECK(run(path, {}));
    // What is of no use the shim has removed.
    std::error_code error;
    if (!fs::exists(path, error))
        return fail(ErrorKind::unavailable, "a QEMU that was kept does not go on");
    return {};
}

std::unique_ptr<WarmPool> make_pool(Context& context, unsigned size) {
    WarmPool::Needs needs{
        .plan = [&context](const auto& machine,
                           bool rehearses) { return plan_warm(context, machine, rehearses); },
        // Which template a container's own devices would want is all the same here.
        .key =
            [&context](vmm::MachineSpec machine) {
                machine.disks.clear();
                machine.nics.clear();
                return context.templates->key(machine);
            },
        .is_kept =
            [&context](const auto& machine) {
                return !context.templates->find_checkpoint(machine).empty();
            },
        .is_busy = [&context] { return context.starts_under_way > 1; }};
    return std::make_unique<WarmPool>(size, std::move(needs), *context.world.sandboxes,
                                      context.tasks);
}

}  // namespace hako::engine
