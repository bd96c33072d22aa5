#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/settings.h"

namespace hako::engine {
namespace {

template <typename Target, typename T>
void assign(Target& target, const std::optional<T>& value) {
    if (value) target = *value;
}

HostConfig changed(HostConfig config, const UpdateRequest& request) {
    assign(config.memory, request.memory);
    assign(config.nano_cpus, request.nano_cpus);
    assign(config.cpu_period, request.cpu_period);
    assign(config.cpu_quota, request.cpu_quota);
    assign(config.cpu_shares, request.cpu_shares);
    assign(config.pids_limit, request.pids_limit);
    assign(config.cpuset_cpus, request.cpuset_cpus);
    assign(config.cpuset_mems, request.cpuset_mems);
    assign(config.restart_policy, request.restart_policy);
    assign(config.restart_retries, request.restart_retries);
    return config;
}

// What inspect shows: as it was sent, with what was sent now.
Result<std::string> merged(const std::string& before, const std::string& now_sent) {
    HAKO_TRY(Json json, parse_json(before));
    HAKO_TRY(const Json sent, parse_json(now_sent));
    json.update(sent);
    return dump_json(json);
}

// A VM keeps the memory and the CPUs that it was started with.
Result<std::vector<std::string>> what_waits(const Context& context, const std::string& vm,
                                            const HostConfig& config) {
    HAKO_TRY(const auto spec, runtime::read_sandbox_spec(context.layout.sandbox(vm)));
    const vmm::MachineSpec& machine = spec.machine;
    std::vector<std::string> warnings;
    if (machine_memory(memory_limit(config)) > machine.memory_bytes)
        warnings.push_back(
            fmt::format("The container's VM has {} MiB of memory: the rest of the new limit takes "
                        "effect when the container is started again.",
                        machine.memory_bytes / kMiB));
    if (machine_cpus(config, machine.accelerator, context.host_cpus) > machine.cpus)
        warnings.push_back(
            fmt::format("The container's VM has {} CPUs: more take effect when the container is "
                        "started again.",
                        machine.cpus));
    return warnings;
}

}  // namespace

Result<std::vector<std::string>> Engine::update(std::string_view name,
                                                const UpdateRequest& request) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(name));
    const std::lock_guard operation(entry->operation);
    Container container = entry->live.lock()->container;
    const HostConfig before =
        std::exchange(container.host_config, changed(container.host_config, request));
    HAKO_CHECK(check_host_config(container.host_config, context_->host_cpus));
    HAKO_TRY(container.host_config_json,
             merged(container.host_config_json, request.host_config_json));

    std::vector<std::string> warnings;
    std::shared_ptr<runtime::ShimClient> shim;
    std::string vm;
    if (auto live = entry->live.lock(); live->running()) {
        shim = live->shim;
        vm = live->vm_id();
    }
    const auto resources_of = [](const HostConfig& config) {
        return dump_json(oci::make_resources(make_resources(config)));
    };
    const std::string resources = resources_of(container.host_config);
    if (shim && resources != resources_of(before)) {
        HAKO_TRY(warnings, what_waits(*context_, vm, container.host_config));
        HAKO_CHECK(shim->update(resources));
    }
    HAKO_CHECK(context_->store.save_settings(container));
    auto live = entry->live.lock();
    live->container.host_config = container.host_config;
    live->container.host_config_json = container.host_config_json;
    emit(*context_, live->container, "update");
    return warnings;
}

}  // namespace hako::engine
