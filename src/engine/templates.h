// Which machines are loaded instead of booted. A start never waits for a template: it takes one
// that is known to be good, or boots; making and checking them happens in the background.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "base/units.h"
#include "engine/tasks.h"
#include "engine/template_types.h"
#include "runtime/template_builder.h"
#include "vmm/machine_spec.h"
#include "vmm/template_key.h"
#include "vmm/template_store.h"

namespace hako::engine {

// What makes and tries them; tests have their own.
struct TemplateMaker {
    std::function<Result<void>(const runtime::TemplateJob&, std::stop_token)> build;
    std::function<Result<void>(const runtime::TemplateJob&, std::stop_token)> check;
    // Whether a good one is of use to machines with shares.
    std::function<Result<void>(const runtime::TemplateJob&, std::stop_token)> try_with_shares;
    // Has a QEMU load it, and keeps that in the file (vmm/checkpoint.h). ErrorKind::not_found: it
    // cannot yet. Without: none is kept.
    std::function<Result<void>(const runtime::TemplateJob&, const std::filesystem::path&,
                               std::stop_token)>
        keep = {};
    std::chrono::milliseconds first_pause = std::chrono::seconds(10);  // after what failed
};

// Any thread may call anything.
class Templates {
public:
    // programs: jail and share_stage.
    Templates(const TemplateOptions& options, TemplateMaker maker, vmm::MachineOptions programs,
              Tasks& tasks);

    // Empty: there is none that is known to be good.
    std::filesystem::path find(const vmm::MachineSpec& spec);
    // Of a QEMU that was kept after it loaded that; likewise. Where there could be one, it is made.
    std::filesystem::path find_checkpoint(const vmm::MachineSpec& spec);
    // Checks or makes the one of this shape, in the background; not again and again where that
    // fails.
    void want(const vmm::MachineSpec& spec);
    // Makes it anew, and waits for that.
    Result<vmm::StoredTemplate> build(const vmm::MachineSpec& spec, std::stop_token stop);

    // What it is loaded from; nullopt: not known yet, or it only boots.
    std::optional<std::string> key(const vmm::MachineSpec& spec);

    bool enabled() const { return enabled_; }
    // Whether the next start takes it.
    bool is_ready(std::string_view key);
    const vmm::TemplateStore& store() const { return store_; }

private:
    bool fits(const vmm::MachineSpec& spec) const;
    struct Attempts {
        int count = 0;                                  // one after the other
        std::chrono::steady_clock::time_point again{};  // not before
        // Each pause is twice the one before. A first one that succeeded costs none.
        void add(bool failed, std::chrono::milliseconds first_pause);
    };
    struct Entry {
        std::string identity;       // of the file that was found good; empty: none
        bool takes_shares = false;  // as does the machine that it is loaded into
        bool busy = false;          // somebody makes or checks it
        Attempts attempts;
        Attempts with_shares;    // that failed
        std::string checkpoint;  // likewise its identity
        Attempts checkpoints;
    };
    void work(const vmm::MachineSpec& spec, const std::stop_token& stop);
    Result<void> provide(const runtime::TemplateJob& job, bool anew, const std::stop_token& stop);
    bool can_be_kept(const vmm::MachineSpec& spec) const;
    void provide_checkpoint(const runtime::TemplateJob& job, const std::stop_token& stop);
    void try_with_shares(const runtime::TemplateJob& job, const std::stop_token& stop);
    runtime::TemplateJob job(const vmm::MachineSpec& spec, vmm::TemplateShape shape) const;

    const bool enabled_, keeps_;
    const vmm::TemplateStore store_;
    const TemplateMaker maker_;
    const vmm::MachineOptions programs_;
    Tasks& tasks_;
    vmm::TemplateShapes shapes_;
    Guarded<std::map<std::string, Entry>> entries_;  // by key
    std::mutex one_at_a_time_;                       // each is work for a processor
};

}  // namespace hako::engine
