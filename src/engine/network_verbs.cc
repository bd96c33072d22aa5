// The engine's verbs on networks, and what joins the containers to them.
#include <algorithm>
#include <optional>
#include <sstream>
#include <tuple>

#include "base/log.h"
#include "base/thread.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/hosts_file.h"
#include "engine/macos.h"
#include "engine/sharing.h"

namespace hako::engine {
namespace {

// For how long the host keeps rules and taps of a container that ended.
constexpr std::chrono::milliseconds kMoment{50};

void emit_network(Context& context, std::string action, const std::string& id, StringMap details) {
    context.events.publish({.type = "network",
                            .action = std::move(action),
                            .actor = id,
                            .attributes = std::move(details)});
}

void emit_attachments(Context& context, const std::string& action, const std::string& container,
                      const std::vector<Attachment>& attachments) {
    for (const Attachment& one : attachments) {
        if (!one.live()) continue;
        const auto network = context.networks->find(one.network_id);
        emit_network(context, action, one.network_id,
                     {{"container", container},
                      {"name", one.network_name},
                      {"type", network ? network->driver : ""}});
    }
}

std::string hosts_of(const Container& container, const Joined& joined) {
    return hosts_file(container, {.addresses = joined.addresses, .gateway = joined.gateway});
}

// The user's own mount of a file wins.
void put_file(const Container& container, runtime::ContainerSpec& spec, const std::string& path,
              std::string text) {
    if (std::ranges::find(container.mounts, path, &MountPoint::target) == container.mounts.end())
        spec.files[path] = std::move(text);
}

void put_names(const Container& container, const Container& owner, const Joined& joined,
               runtime::ContainerSpec& spec) {
    put_file(container, spec, "/etc/hosts", hosts_of(owner, joined));
    if (!joined.resolv_conf.empty())
        put_file(container, spec, "/etc/resolv.conf", joined.resolv_conf);
}

// Whose network the container has, where that is another one's.
std::optional<Container> network_owner(const Context& context, const Container& container) {
    std::optional<Container> owner;
    for (auto shared = shared_namespaces(container.host_config); shared.contains("network");
         shared = shared_namespaces(owner->host_config)) {
        const auto found = context.registry.find(shared.at("network"));
        if (!found) break;
        owner = (*found)->live.lock()->container;
    }
    return owner;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

// What of the first list is not in the second.
template <typename T, typename Key>
std::vector<T> missing(const std::vector<T>& first, const std::vector<T>& second, Key key) {
    std::vector<T> left;
    for (const T& one : first)
        if (std::ranges::find(second, key(one), key) == second.end()) left.push_back(one);
    return left;
}

// What the guest is to be told.
runtime::NetworkSpec guest_change(const Context& context, const Container& container,
                                  const NetworkChange& change) {
    using Interface = runtime::NetworkSpec::Interface;
    const auto card = [](const Interface& one) { return one.card.empty() ? one.mac : one.card; };
    const auto& [before, after] = std::tie(change.before.spec, change.after.spec);
    runtime::NetworkSpec spec;
    const auto let_go = [&](const Interface& one) {
        Interface interface;
        interface.card = card(one);
        spec.interfaces.push_back(std::move(interface));
    };
    for (const auto& one : missing(before.interfaces, after.interfaces, card)) let_go(one);
    for (Interface& one : missing(after.interfaces, before.interfaces, card)) {
        let_go(one);  // it may have it from an attempt that nobody ended
        one.card = card(one);
        spec.interfaces.push_back(std::move(one));
    }
    spec.routes = missing(after.routes, before.routes, [](const auto& route) {
        return fmt::format("{} {}", route.destination, route.gateway);
    });
    std::vector<std::string> readers{container.id};
    for (const EntryPtr& entry : context.registry.all()) {
        const Container other = entry->live.lock()->container;
        const auto owner = network_owner(context, other);
        if (other.state.running() && owner && owner->id == container.id)
            readers.push_back(other.id);
    }
    const auto change_file = [&](const char* path, const std::string& from, const std::string& to) {
        const auto itself = [](const std::string& line) { return line; };
        const auto gone = missing(lines_of(from), lines_of(to), itself);
        const auto come = missing(lines_of(to), lines_of(from), itself);
        if (gone.empty() && come.empty()) return;
        for (const std::string& reader : readers) spec.lines.push_back({reader, path, gone, come});
    };
    change_file("/etc/hosts", hosts_of(container, change.before),
                hosts_of(container, change.after));
    change_file("/etc/resolv.conf", change.before.resolv_conf, change.after.resolv_conf);
    return spec;
}

// Whether the user named a network or a port, so that a start without it would mislead.
bool asks_for_network(const Container& container, const std::vector<Attachment>& attachments) {
    const HostConfig& host = container.host_config;
    const bool by_default = host.network_mode.empty() || host.network_mode == "default";
    return !by_default || attachments.size() > 1 || !host.port_bindings.empty() ||
           host.publish_all_ports;
}

}  // namespace

Result<void> join_networks(Context& context, const Container& container, runtime::SandboxSpec& spec,
                           const std::string& waiting) {
    const auto trace = context.traces.of(container.id);
    const auto timer = trace->time("join its networks");
    auto attempt = context.networks->join(container, waiting);
    if (!attempt && waiting.empty() &&
        !asks_for_network(container, context.networks->attachments(container.id))) {
        log_warn("container {} starts without a network: {}", container.name,
                 attempt.error().message());
        return {};
    }
    HAKO_TRY(Joined joined, std::move(attempt));
    put_names(container, container, joined, spec.container);
    if (joined.nics.empty()) return {};
    spec.machine.nics = std::move(joined.nics);
    add_spare_card(spec.machine, container.id);
    spec.network = std::move(joined.spec);
    emit_attachments(context, "connect", container.id, context.networks->attachments(container.id));
    return {};
}

Result<void> join_lan(Context& context, const Container& container, runtime::SandboxSpec& spec) {
    if (!wants_lan(container)) return {};
    for (const Attachment& one : context.networks->attachments(container.id)) {
        HAKO_TRY(const Network network, context.networks->find(one.network_id));
        if (network.driver != network::driver_macvlan) continue;
        // Its ports are open on the LAN as they are.
        Container portless = container;
        portless.host_config.port_bindings.clear();
        portless.host_config.publish_all_ports = false;
        HAKO_TRY(const Joined joined, context.networks->join(portless));
        for (const vmm::Nic& nic : joined.nics)
            if (nic.tap == network::tap_name(container.id, network.id)) spec.machine.nics = {nic};
        emit_attachments(context, "connect", container.id,
                         context.networks->attachments(container.id));
        return {};
    }
    return fail(ErrorKind::invalid,
                "DHCP=Y needs a network with addresses of the LAN: hako network create -d macvlan "
                "-o parent=LINK --subnet NET lan, then --network lan");
}

void share_names(const Context& context, const Container& container, runtime::ContainerSpec& spec) {
    if (const auto owner = network_owner(context, container))
        put_names(container, *owner, context.networks->describe(*owner), spec);
}

void leave_networks(Context& context, const std::string& container) {
    const auto left = context.networks->leave(container);
    emit_attachments(context, "disconnect", container, left);
    if (left.empty()) return;
    // Nobody waits for it, and those that end together are one change.
    context.tasks.launch_or_run("clear a network", [&context](const std::stop_token& stop) {
        (void)sleep_for(kMoment, stop);
        context.networks->clear();
    });
}

Result<void> change_guest(Context& context, const EntryPtr& entry, const NetworkChange& change) {
    std::shared_ptr<runtime::ShimClient> shim;
    Container container;
    {
        auto live = entry->live.lock();
        shim = live->shim;
        container = live->container;
    }
    const auto spec = guest_change(context, container, change);
    if (spec.interfaces.empty()) return {};
    if (!shim) return fail(ErrorKind::conflict, "container {} has just ended", container.name);
    return shim->change_network(spec);
}

namespace {

Result<void> connect_running(Context& context, const EntryPtr& entry, const Container& container,
                             std::string_view network, const EndpointSettings& settings) {
    std::vector<vmm::Nic> cards;
    const std::string vm = entry->live.lock()->vm_id();
    if (auto sandbox = runtime::read_sandbox_spec(context.layout.sandbox(vm)))
        cards = std::move(sandbox->machine.nics);
    HAKO_TRY(const auto change, context.networks->plug(container, network, settings, cards));
    if (const auto told = change_guest(context, entry, change); !told) {
        context.networks->unplug(container, change.network.id);
        // One that refused part of it lets go of the rest.
        const auto kind = told.error().kind();
        if (kind != ErrorKind::unavailable && kind != ErrorKind::deadline)
            (void)change_guest(context, entry,
                               {change.container, change.network, change.after, change.before});
        return fail(
            Error(told.error())
                .context(fmt::format(
                    "cannot connect container {} to network {}: its virtual machine does not "
                    "take the card",
                    container.name, change.network.name)));
    }
    context.networks->keep(change);
    emit_network(context, "connect", change.network.id,
                 {{"container", container.id},
                  {"name", change.network.name},
                  {"type", change.network.driver}});
    return {};
}

Result<void> disconnect_running(Context& context, const EntryPtr& entry, const Container& container,
                                std::string_view network) {
    HAKO_TRY(const auto change, context.networks->plan_unplug(container, network));
    // What its guest does not let go of is of no use to it: the host has nothing on the other end.
    if (const auto told = change_guest(context, entry, change); !told)
        log_warn("container {} is taken from network {}, and its guest does not hear of it: {}",
                 container.name, change.network.name, told.error().message());
    context.networks->unplug(container, change.network.id);
    emit_network(context, "disconnect", change.network.id,
                 {{"container", container.id},
                  {"name", change.network.name},
                  {"type", change.network.driver}});
    return {};
}

// Nobody in a macOS machine is told of cards.
Result<void> check_not_macos(const Container& container) {
    if (!is_macos(container)) return {};
    return fail(ErrorKind::conflict,
                "container {} is running: the networks of a macOS machine are those that it was "
                "started with; stop it, connect or disconnect it and start it again",
                container.name);
}

}  // namespace

Result<Network> Engine::create_network(const NetworkRequest& request) {
    auto made = context_->networks->create(request);
    if (made)
        emit_network(*context_, "create", made->id, {{"name", made->name}, {"type", made->driver}});
    return made;
}

Result<std::vector<Network>> Engine::list_networks(const NetworkFilter& filter) const {
    return context_->networks->list(filter);
}

Result<Network> Engine::inspect_network(std::string_view network) const {
    return context_->networks->find(network);
}

Result<void> Engine::remove_network(std::string_view network) {
    HAKO_TRY(const Network gone, context_->networks->remove(network));
    emit_network(*context_, "destroy", gone.id, {{"name", gone.name}, {"type", gone.driver}});
    return {};
}

Result<std::vector<std::string>> Engine::prune_networks(const NetworkFilter& filter) {
    NetworkFilter unused = filter;
    unused.dangling = true;
    HAKO_TRY(const auto found, context_->networks->list(unused));
    std::vector<std::string> names;
    for (const Network& network : found) {
        // A container may have started on it meanwhile, or somebody else removed it.
        if (const auto removed = remove_network(network.id); !removed) continue;
        names.push_back(network.name);
    }
    context_->events.publish(
        {.type = "network", .action = "prune", .attributes = {{"reclaimed", "0"}}});
    return names;
}

Result<void> Engine::connect_network(std::string_view network, std::string_view container,
                                     const EndpointSettings& settings) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    const Container now = entry->live.lock()->container;
    if (now.state.running()) {
        HAKO_CHECK(check_not_macos(now));
        return connect_running(*context_, entry, now, network, settings);
    }
    return context_->networks->connect(now, network, settings).map([](const Network&) {});
}

Result<void> Engine::disconnect_network(std::string_view network, std::string_view container) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    const Container now = entry->live.lock()->container;
    if (now.state.running()) {
        HAKO_CHECK(check_not_macos(now));
        return disconnect_running(*context_, entry, now, network);
    }
    return context_->networks->disconnect(now, network).map([](const Network&) {});
}

}  // namespace hako::engine
