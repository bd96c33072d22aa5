#include "engine/sharing.h"

#include <array>

#include "base/json.h"
#include "engine/hosts_file.h"
#include "engine/registry.h"
#include "engine/settings.h"

namespace hako::engine {
namespace {

constexpr std::string_view kContainer = "container:";

struct Mode {
    std::string HostConfig::*field;
    const char* api;   // the field's name in Docker's API
    const char* type;  // of the namespace
};
constexpr std::array kModes{
    Mode{&HostConfig::network_mode, "NetworkMode", "network"},
    Mode{&HostConfig::pid_mode, "PidMode", "pid"},
    Mode{&HostConfig::ipc_mode, "IpcMode", "ipc"},
    Mode{&HostConfig::uts_mode, "UTSMode", "uts"},
};

bool shares(const std::string& mode) { return mode.starts_with(kContainer); }
std::string other(const std::string& mode) { return mode.substr(kContainer.size()); }

Result<void> check_contradictions(const Container& container) {
    const HostConfig& host = container.host_config;
    const bool network = shares(host.network_mode);
    if ((network || shares(host.uts_mode)) && !container.config.hostname.empty())
        return fail(ErrorKind::invalid,
                    "conflicting options: hostname and the network or UTS mode: the host name is "
                    "that of the other container");
    if (network && !host.extra_hosts.empty())
        return fail(ErrorKind::invalid,
                    "conflicting options: custom host-to-IP mapping and the network mode: give "
                    "--add-host to the other container");
    if (network && (!host.port_bindings.empty() || host.publish_all_ports))
        return fail(ErrorKind::invalid,
                    "conflicting options: port publishing and the container type network mode: "
                    "publish the ports of the other container");
    if (network && (!host.dns.empty() || !host.links.empty()))
        return fail(ErrorKind::invalid,
                    "conflicting options: dns or links and the network mode: names are those of "
                    "the other container");
    if (!container.kernel.empty())
        return fail(ErrorKind::invalid,
                    "the kernel is that of the other container's VM: give --kernel to that one");
    const std::string& mode = host.network_mode;
    if (!network && !mode.empty() && mode != "default" && mode != "bridge" && mode != "none")
        return fail(ErrorKind::invalid,
                    "NetworkMode {}: a container in another one's VM has that one's network or "
                    "none: use --network container:{} or --network none",
                    mode, shared_with(host).substr(0, 12));
    return {};
}

}  // namespace

std::string shared_with(const HostConfig& config) {
    for (const Mode& mode : kModes)
        if (shares(config.*mode.field)) return other(config.*mode.field);
    return {};
}

std::map<std::string, std::string> shared_namespaces(const HostConfig& config) {
    std::map<std::string, std::string> shared;
    for (const Mode& mode : kModes)
        if (shares(config.*mode.field)) shared[mode.type] = other(config.*mode.field);
    return shared;
}

bool is_pod(const Container& container) {
    const StringMap& labels = container.config.labels;
    // Of `hako pod`, and of Kubernetes' sandboxes where it uses Docker (cri-dockerd).
    const auto type = labels.find("io.kubernetes.docker.type");
    return labels.contains("io.hako.pod.sandbox") ||
           (type != labels.end() && type->second == "podsandbox");
}

bool has_bare_network(const HostConfig& config) {
    return !shared_with(config).empty() && !shares(config.network_mode);
}

Result<std::vector<std::string>> resolve_sharing(const Registry& registry, Container& container) {
    std::vector<std::string> warnings;
    HostConfig& host = container.host_config;
    const std::string name = shared_with(host);
    if (name.empty()) return warnings;
    HAKO_CHECK(check_contradictions(container));
    const auto found = registry.find(name);
    if (!found)
        // Not as not_found: clients take that for a missing image.
        return fail(ErrorKind::invalid, "{}: a container to share namespaces with must be there",
                    found.error().message());
    const Container target = (*found)->live.lock()->container;
    HAKO_TRY(Json sent, parse_json(container.host_config_json));
    for (const Mode& mode : kModes) {
        std::string& value = host.*mode.field;
        if (!shares(value)) continue;
        const auto same = registry.find(other(value));
        if (!same || (*same)->id != target.id)
            return fail(ErrorKind::invalid,
                        "{}: all namespaces must be shared with one container, {}, whose VM it "
                        "will run in",
                        mode.api, target.name);
        value = std::string(kContainer) + target.id;
        sent[mode.api] = value;
    }
    container.host_config_json = dump_json(sent);
    if (shares(host.network_mode)) {
        container.config.hostname = hostname_of(target);
        container.config.domainname = target.config.domainname;
    } else if (host.network_mode != "none") {
        warnings.push_back(
            fmt::format("The container has its loopback only: a virtual machine has one network. "
                        "Use --network container:{} to share it.",
                        target.name));
    }
    return warnings;
}

Result<void> check_room(const vmm::MachineSpec& machine, const Container& container) {
    const HostConfig& host = container.host_config;
    if (host.memory != 0 && machine_memory(host.memory) > machine.memory_bytes)
        return fail(ErrorKind::invalid,
                    "the VM that container {} is to run in has {} MiB of memory, too few for a "
                    "limit of {} MiB: lower it, or give more to the container that it shares with",
                    container.name, machine.memory_bytes / kMiB, host.memory / kMiB);
    const unsigned cpus = asked_cpus(host);
    if (cpus > machine.cpus)
        return fail(ErrorKind::invalid,
                    "the VM that container {} is to run in has {} CPUs, and {} are asked for: "
                    "lower that, or give more to the container that it shares with",
                    container.name, machine.cpus, cpus);
    return {};
}

Result<void> check_devices(const vmm::MachineSpec& machine,
                           const std::vector<vmm::HostDevice>& wanted) {
    for (const auto& device : wanted) {
        const auto is_it = [&](const vmm::HostDevice& other) {
            return other.node == device.node && other.address == device.address;
        };
        if (!std::ranges::any_of(machine.devices, is_it))
            return fail(ErrorKind::invalid,
                        "the VM that the container is to run in was started without the device "
                        "{}: give it to the container which the VM belongs to as well",
                        device.address.empty() ? device.node.native() : device.address);
    }
    return {};
}

}  // namespace hako::engine
