// The templates that the engine's machines are loaded from, for its users.
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/settings.h"
#include "vmm/template_devices.h"

namespace hako::engine {
namespace {

Template to_template(Templates& templates, const vmm::StoredTemplate& stored) {
    return {.key = stored.header.key,
            .shape_json = dump_json(stored.header.shape),
            .bytes = stored.bytes,
            .created = stored.header.created,
            .used = stored.used,
            .ready = templates.is_ready(stored.header.key)};
}

// Of a container with these settings.
Result<vmm::MachineSpec> plan_machine(Context& context, const TemplateRequest& request) {
    HostConfig config;
    config.memory = request.memory;
    config.nano_cpus = request.nano_cpus;
    HAKO_CHECK(check_host_config(config, context.host_cpus));
    HAKO_TRY(const vmm::Kernel kernel, context.world.machines->kernel(request.kernel));
    HAKO_TRY(const vmm::ProbeResult probe, context.world.machines->accelerator());
    vmm::MachineSpec spec{.id = "template",
                          .kernel = kernel.vmlinux,
                          .initramfs = context.world.machines->initramfs(),
                          .memory_bytes = machine_memory(memory_limit(config)),
                          .cpus = machine_cpus(config, probe.accelerator, context.host_cpus),
                          .accelerator = probe.accelerator,
                          .tsc_khz = probe.tsc_khz,
                          .disks = vmm::container_bays()};
    if (context.networks->has_default())
        spec.nics.push_back({.tap = {}, .mac = std::string(vmm::kFirstCardMac)});
    vmm::choose_agent_channel(spec);
    return spec;
}

}  // namespace

std::unique_ptr<Templates> make_templates(Context& context, const Installation& installation,
                                          TemplateOptions options) {
    if (options.folder.empty()) options.folder = context.layout.root() / "templates";
    return std::make_unique<Templates>(
        options,
        TemplateMaker{.build = runtime::build_template,
                      .check = runtime::check_template,
                      .try_with_shares = runtime::try_template_with_shares,
                      .keep =
                          [&context](const auto& job, const auto& path, const auto& stop) {
                              return keep_template(context, job, path, stop);
                          }},
        vmm::MachineOptions{.jail = {installation.shim().native(), "jail"},
                            .share_stage = {installation.shim().native(), "shares"}},
        context.tasks);
}

void want_default_template(Context& context) {
    if (!context.templates) return;
    const auto spec = plan_machine(context, {});
    if (!spec) return;
    context.templates->want(*spec);
    context.pool->keep(*spec);
}

Result<std::vector<Template>> Engine::list_templates() const {
    std::vector<Template> list;
    for (const auto& stored : context_->templates->store().list())
        list.push_back(to_template(*context_->templates, stored));
    return list;
}

Result<Template> Engine::find_template(std::string_view key) const {
    HAKO_TRY(const auto stored, context_->templates->store().find(key));
    return to_template(*context_->templates, stored);
}

Result<Template> Engine::build_template(const TemplateRequest& request) {
    HAKO_TRY(const auto spec, plan_machine(*context_, request));
    HAKO_TRY(const auto stored, context_->templates->build(spec, context_->closing.get_token()));
    return to_template(*context_->templates, stored);
}

Result<void> Engine::remove_template(std::string_view key) {
    return context_->templates->store().remove(key);
}

}  // namespace hako::engine
