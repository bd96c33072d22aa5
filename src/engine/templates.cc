#include "engine/templates.h"

#include <sys/stat.h>

#include "base/log.h"
#include "vmm/checkpoint.h"
#include "vmm/template_devices.h"

namespace hako::engine {
namespace {

constexpr int kMostDoublings = 8;
constexpr std::chrono::minutes kForgiven(10);  // attempts are, when there was no need for so long

// Of the file as it is now; empty when there is none. Reading it does not change it.
std::string identity_of(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return "";
    return fmt::format("{} {} {} {}.{}", status.st_dev, status.st_ino, status.st_size,
                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

Templates::Templates(const TemplateOptions& options, TemplateMaker maker,
                     vmm::MachineOptions programs, Tasks& tasks)
    : enabled_(options.enabled),
      keeps_(options.enabled && options.checkpoints),
      store_(options.folder, options.limit),
      maker_(std::move(maker)),
      programs_(std::move(programs)),
      tasks_(tasks) {
    if (!enabled_) return;
    runtime::remove_template_leftovers();
    if (const auto opened = store_.open(); !opened)
        log_warn("there are no templates: {}", opened.error().message());
}

void Templates::Attempts::add(bool failed, std::chrono::milliseconds first_pause) {
    const auto time = std::chrono::steady_clock::now();
    if (time > again + kForgiven) count = 0;
    if (failed || count > 0) again = time + first_pause * (1 << std::min(count, kMostDoublings));
    ++count;
}

// Devices of the host want another machine. macOS machines have no kernel.
bool Templates::fits(const vmm::MachineSpec& spec) const {
    return enabled_ && spec.devices.empty() && !spec.kernel.empty();
}

std::filesystem::path Templates::find(const vmm::MachineSpec& spec) {
    if (!fits(spec)) return {};
    const auto shape = shapes_.known(spec);
    if (!shape) return {};
    const auto path = store_.path(shape->key);
    {
        auto entries = entries_.lock();
        const auto entry = entries->find(shape->key);
        if (entry == entries->end() || entry->second.identity.empty() ||
            entry->second.identity != identity_of(path) ||
            (vmm::has_share_device(spec) && !entry->second.takes_shares))
            return {};
    }
    store_.touch(shape->key);
    return path;
}

// Of QEMUs that emulate a processor: KVM's own state is nowhere to be read.
bool Templates::can_be_kept(const vmm::MachineSpec& spec) const {
    return keeps_ && maker_.keep && fits(spec) && spec.accelerator == vmm::Accelerator::tcg &&
           spec.channel == vmm::AgentChannel::serial && !vmm::has_share_device(spec);
}

std::filesystem::path Templates::find_checkpoint(const vmm::MachineSpec& spec) {
    if (!can_be_kept(spec) || find(spec).empty()) return {};
    const auto key = shapes_.known(spec)->key;
    auto path = store_.checkpoint(key);
    {
        auto entries = entries_.lock();
        const Entry& entry = (*entries)[key];
        if (!entry.checkpoint.empty() && entry.checkpoint == identity_of(path)) return path;
        if (entry.busy || std::chrono::steady_clock::now() < entry.checkpoints.again) return {};
    }
    want(spec);
    return {};
}

std::optional<std::string> Templates::key(const vmm::MachineSpec& spec) {
    const auto shape = fits(spec) ? shapes_.known(spec) : std::nullopt;
    return shape ? std::optional(shape->key) : std::nullopt;
}

bool Templates::is_ready(std::string_view key) {
    auto entries = entries_.lock();
    const auto entry = entries->find(std::string(key));
    return entry != entries->end() && !entry->second.identity.empty() &&
           entry->second.identity == identity_of(store_.path(key));
}

void Templates::want(const vmm::MachineSpec& wanted) {
    if (!fits(wanted)) return;
    // By the time that it is made the container, and its files, may be gone.
    vmm::MachineSpec spec = vmm::template_machine(wanted, wanted.id, {});
    spec.takes_shares = vmm::has_share_device(wanted);
    tasks_.launch("template", [this, spec = std::move(spec)](const std::stop_token& stop) {
        work(spec, stop);
    });
}

void Templates::work(const vmm::MachineSpec& spec, const std::stop_token& stop) {
    auto shape = shapes_.shape(spec);
    if (!shape) return log_info("there is no template for this VM: {}", shape.error().message());
    const auto made = job(spec, *std::move(shape));
    bool tries_shares = false;
    bool keeps = false;
    {
        auto entries = entries_.lock();
        auto& entry = (*entries)[made.shape.key];
        const auto time = std::chrono::steady_clock::now();
        if (entry.busy) return;
        if (!entry.identity.empty() && entry.identity == identity_of(made.path)) {
            tries_shares = vmm::has_share_device(spec) && !entry.takes_shares &&
                           time >= entry.with_shares.again;
            keeps = can_be_kept(spec);
            if (!tries_shares && !keeps) return;
        } else if (time < entry.attempts.again) {
            return;
        }
    }
    if (tries_shares) return try_with_shares(made, stop);
    if (keeps) return provide_checkpoint(made, stop);
    const auto provided = provide(made, false, stop);
    if (provided) provide_checkpoint(made, stop);
    if (provided) return try_with_shares(made, stop);
    if (!stop.stop_requested())
        log_warn("VMs of {} MiB boot without a template: {}", spec.memory_bytes / kMiB,
                 provided.error().message());
}

Result<void> Templates::provide(const runtime::TemplateJob& made, bool anew,
                                const std::stop_token& stop) {
    const auto& key = made.shape.key;
    {
        auto entries = entries_.lock();
        auto& entry = (*entries)[key];
        if (entry.busy)
            return fail(ErrorKind::conflict, "the template {} is being made already", key);
        entry.busy = true;
    }
    const auto done = [&]() -> Result<void> {
        const std::lock_guard alone(one_at_a_time_);
        if (stop.stop_requested()) return fail(ErrorKind::cancelled, "the daemon ends");
        std::error_code error;
        if (!anew && std::filesystem::exists(made.path, error)) {
            const auto good = maker_.check(made, stop);
            if (good || stop.stop_requested()) return good;
            log_warn("the template {} is made anew: {}", key, good.error().message());
        }
        if (stop.stop_requested()) return fail(ErrorKind::cancelled, "the daemon ends");
        const auto begun = std::chrono::steady_clock::now();
        HAKO_CHECK(maker_.build(made, stop));
        log_info("made the template {} for VMs of {} MiB in {} ms", key,
                 made.spec.memory_bytes / kMiB,
                 std::chrono::duration_cast<std::chrono::milliseconds>(
                     std::chrono::steady_clock::now() - begun)
                     .count());
        store_.shrink(key);
        return {};
    }();
    auto entries = entries_.lock();
    auto& entry = (*entries)[key];
    entry.busy = false;
    // What could not be made anew is as good as it was.
    if (done) entry.identity = identity_of(made.path);
    else if (!anew) entry.identity.clear();
    // Also a success counts: a start that finds the template of no use removes it, and asks for the
    // next one. That is made at once, those after it with pauses.
    if (anew) entry.attempts = {};
    entry.attempts.add(!done, maker_.first_pause);
    return done;
}

void Templates::provide_checkpoint(const runtime::TemplateJob& made, const std::stop_token& stop) {
    if (!can_be_kept(made.spec)) return;
    const std::lock_guard alone(one_at_a_time_);
    const auto& key = made.shape.key;
    const auto path = store_.checkpoint(key);
    {
        auto entries = entries_.lock();
        const Entry& entry = (*entries)[key];
        if (stop.stop_requested() || std::chrono::steady_clock::now() < entry.checkpoints.again ||
            (!entry.checkpoint.empty() && entry.checkpoint == identity_of(path)))
            return;
    }
    auto kept = vmm::verify_checkpoint(path, key);
    if (!kept) {
        const auto begun = std::chrono::steady_clock::now();
        kept = maker_.keep(made, path, stop);
        if (kept) {
            log_info("kept a QEMU that loaded the template {}, in {} ms", key,
                     std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - begun)
                         .count());
            store_.shrink(key);
        }
    }
    {
        auto entries = entries_.lock();
        Entry& entry = (*entries)[key];
        entry.checkpoint = kept ? identity_of(path) : "";
        if (kept || kept.error().kind() != ErrorKind::not_found)
            entry.checkpoints.add(!kept, maker_.first_pause);
    }
    if (!kept && !stop.stop_requested())
        log_info("VMs load the template {}: {}", key, kept.error().message());
}

// After the others may take it: those with shares are fewer.
void Templates::try_with_shares(const runtime::TemplateJob& made, const std::stop_token& stop) {
    const std::lock_guard alone(one_at_a_time_);
    if (stop.stop_requested()) return;
    const auto tried = maker_.try_with_shares(made, stop);
    {
        auto entries = entries_.lock();
        auto& entry = (*entries)[made.shape.key];
        entry.takes_shares = tried.has_value();
        if (!tried) entry.with_shares.add(true, maker_.first_pause);
    }
    if (!tried && !stop.stop_requested())
        log_info("VMs with shared folders boot without a template: {}", tried.error().message());
}

runtime::TemplateJob Templates::job(const vmm::MachineSpec& spec, vmm::TemplateShape shape) const {
    auto path = store_.path(shape.key);
    return {
        .spec = spec, .shape = std::move(shape), .path = std::move(path), .programs = programs_};
}

Result<vmm::StoredTemplate> Templates::build(const vmm::MachineSpec& spec, std::stop_token stop) {
    if (!enabled_)
        return fail(ErrorKind::conflict,
                    "templates are switched off: see \"templates\" in the daemon's configuration");
    HAKO_TRY(auto shape, shapes_.shape(spec));
    const std::string key = shape.key;
    const auto made = job(spec, std::move(shape));
    HAKO_CHECK(provide(made, true, stop));
    std::error_code none;
    std::filesystem::remove(store_.checkpoint(key), none);
    (*entries_.lock())[key].checkpoints = {};
    provide_checkpoint(made, stop);
    try_with_shares(made, stop);
    return store_.find(key);
}

}  // namespace hako::engine
