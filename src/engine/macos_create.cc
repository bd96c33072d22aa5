// What a new machine is asked for in Docker's words becomes its variables.
#include <algorithm>

#include "engine/context.h"
#include "engine/macos.h"
#include "engine/volumes.h"
#include "macos/identity.h"
#include "macos/random.h"
#include "macos/settings.h"
#include "macos/snapshots.h"

namespace hako::engine {
namespace {

std::string name_of(const std::string& entry) { return entry.substr(0, entry.find('=')); }

bool holds(const std::vector<std::string>& environment, const std::string& name) {
    return std::ranges::any_of(environment,
                               [&](const auto& entry) { return name_of(entry) == name; });
}

// FROM=MACHINE:SNAPSHOT becomes FROM=<the snapshot's folder>, and what is not said is as that
// machine has it.
constexpr std::string_view kFromSnapshot = "FROM=";

bool mounts_at(const HostConfig& host, const std::string& target) {
    return std::ranges::any_of(host.mounts,
                               [&](const auto& mount) { return mount.target == target; });
}

std::string value_of(const std::vector<std::string>& environment, const std::string& name) {
    for (const auto& entry : environment)
        if (name_of(entry) == name) return entry.substr(std::min(name.size() + 1, entry.size()));
    return {};
}

void set_variable(ContainerConfig& config, const std::string& name, const std::string& value) {
    if (!holds(config.env, name)) config.env.push_back(fmt::format("{}={}", name, value));
}

// Behind what it says already, with a comma.
void add_to_variable(ContainerConfig& config, const std::string& name, const std::string& more) {
    for (auto& entry : config.env)
        if (name_of(entry) == name) entry += (entry.ends_with('=') ? "" : ",") + more;
    set_variable(config, name, more);
}

// --device: disks of the host at /disk1 to /disk6, as dockur has them, and what is plugged in.
// Others, such as /dev/kvm, a machine has or has no use for.
void take_devices(ContainerConfig& config, HostConfig& host) {
    constexpr std::string_view kBus = "/dev/bus/usb/";
    std::string plugged;
    for (const Device& device : host.devices) {
        if (device.node.starts_with(kBus))
            plugged += (plugged.empty() ? "" : ",") + device.node.substr(kBus.size());
        for (std::size_t i = 0; i < macos::kMostDisks; ++i)
            if (device.path == fmt::format("/disk{}", i + 1) ||
                device.path == fmt::format("/dev/disk{}", i + 1))
                set_variable(config, macos::device_variable(i), device.node);
    }
    if (!plugged.empty()) add_to_variable(config, "USB", plugged);
    host.devices.clear();
}

Result<void> begin_with_snapshot(Context& context, ContainerConfig& config, HostConfig& host) {
    const auto from = std::ranges::find_if(
        config.env, [](const auto& entry) { return entry.starts_with(kFromSnapshot); });
    if (from == config.env.end()) return {};
    const auto asked = from->substr(kFromSnapshot.size());
    if (asked.empty() || asked.starts_with('/')) return {};  // nothing, or found already
    const auto colon = asked.rfind(':');
    if (colon == std::string::npos)
        return fail(ErrorKind::invalid, "FROM={}: write MACHINE:SNAPSHOT", asked);
    const auto entry = context.registry.find(asked.substr(0, colon));
    if (!entry) return fail(ErrorKind::invalid, "FROM={}: {}", asked, entry.error().message());
    Container source = (*entry)->live.lock()->container;
    if (!is_macos(source))
        return fail(ErrorKind::invalid, "FROM={}: {} is no macOS machine", asked, source.name);
    HAKO_TRY(source.mounts, locate_mounts(context, source.mounts));
    HAKO_TRY(const auto folder, macos_folder(source, context.layout));
    HAKO_TRY(const auto snapshot,
             with_context(macos::find_snapshot(folder, asked.substr(colon + 1)),
                          fmt::format("FROM={}", asked)));
    *from = std::string(kFromSnapshot) + snapshot.native();

    // What the disks, and the memory most of all, were made with; its ports and storage are its
    // own.
    for (const auto& setting : source.config.env)
        if (!holds(config.env, name_of(setting)) && name_of(setting) != "USER_PORTS")
            config.env.push_back(setting);
    if (host.memory == 0) host.memory = source.host_config.memory;
    if (host.nano_cpus == 0) host.nano_cpus = source.host_config.nano_cpus;
    for (const auto& mount : source.host_config.mounts)
        if (mount.target != "/storage" && !mounts_at(host, mount.target))
            host.mounts.push_back(mount);
    return {};
}

}  // namespace

Result<void> take_macos_request(Context& context, ContainerConfig& config, HostConfig& host) {
    take_devices(config, host);
    HAKO_CHECK(begin_with_snapshot(context, config, host));
    // On the LAN it is known by this, so that it is not to be another one's.
    if (holds(config.env, "DHCP") && !holds(config.env, "MAC")) {
        HAKO_TRY(const auto identity, macos::make_identity({}, macos::system_draw()));
        set_variable(config, "MAC", identity.mac);
    }
    return {};
}

std::map<std::string, EndpointSettings> macos_endpoints(
    const Container& container, std::map<std::string, EndpointSettings> endpoints) {
    if (!is_macos(container) || !wants_lan(container)) return endpoints;
    endpoints.try_emplace(container.host_config.network_mode);
    for (auto& [network, settings] : endpoints)
        if (settings.mac.empty()) settings.mac = value_of(container.config.env, "MAC");
    return endpoints;
}

}  // namespace hako::engine
