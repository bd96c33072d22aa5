// The engine's verbs on networks, and what joins the containers to them.
#include <algorithm>

#include "base/log.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "engine/hosts_file.h"
#include "engine/macos.h"

namespace hako::engine {
namespace {

void emit_network(Context& context, std::string action, const std::string& id, StringMap details) {
    context.events.publish({.type = "network",
                            .action = std::move(action),
                            .actor = id,
                            .attributes = std::move(details)});
}

void emit_attachments(Context& context, const std::string& action, const std::string& container,
                      const std::vector<Attachment>& attachments) {
    for (const Attachment& one : attachments)
        if (one.live())
            emit_network(context, action, one.network_id,
                         {{"container", container}, {"name", one.network_name}});
}

// "container:alias" -> the container's address and its names, as /etc/hosts has them. A container
// that does not run has none.
void add_links(const Context& context, const std::vector<std::string>& links,
               HostsEntries& entries) {
    for (const std::string& link : links) {
        const auto colon = link.find(':');
        const std::string target = link.substr(0, colon);
        const std::string alias = colon == std::string::npos ? target : link.substr(colon + 1);
        const auto found = context.registry.find(target);
        if (!found) continue;
        const Container linked = (*found)->live.lock()->container;
        for (const Attachment& one : context.networks->attachments(linked.id)) {
            if (!one.live() || one.ipv4.empty()) continue;
            entries.links.emplace_back(
                one.ipv4, fmt::format("{} {} {}", alias, hostname_of(linked), linked.name));
            break;
        }
    }
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
                           const std::string& tap) {
    auto attempt = context.networks->join(container, tap);
    if (!attempt && tap.empty() &&
        !asks_for_network(container, context.networks->attachments(container.id))) {
        log_warn("container {} starts without a network: {}", container.name,
                 attempt.error().message());
        return {};
    }
    HAKO_TRY(Joined joined, std::move(attempt));
    if (joined.nics.empty()) return {};
    spec.machine.nics = std::move(joined.nics);
    spec.network = std::move(joined.spec);
    HostsEntries entries{.addresses = std::move(joined.addresses), .gateway = joined.gateway};
    const auto attachments = context.networks->attachments(container.id);
    add_links(context, container.host_config.links, entries);
    for (const Attachment& one : attachments) add_links(context, one.wanted.links, entries);
    spec.container.files["/etc/hosts"] = hosts_file(container, entries);
    spec.container.files["/etc/resolv.conf"] = std::move(joined.resolv_conf);
    emit_attachments(context, "connect", container.id, attachments);
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

void leave_networks(Context& context, const std::string& container) {
    emit_attachments(context, "disconnect", container, context.networks->leave(container));
}

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
    if (now.state.running())
        return fail(ErrorKind::conflict,
                    "container {} is running: a network card cannot be added to its virtual "
                    "machine; stop it, connect it and start it again",
                    now.name);
    return context_->networks->connect(now, network, settings).map([](const Network&) {});
}

Result<void> Engine::disconnect_network(std::string_view network, std::string_view container) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    const std::lock_guard operation(entry->operation);
    const Container now = entry->live.lock()->container;
    if (now.state.running())
        return fail(ErrorKind::conflict,
                    "container {} is running: a network card cannot be taken from its virtual "
                    "machine; stop it, disconnect it and start it again",
                    now.name);
    return context_->networks->disconnect(now, network).map([](const Network&) {});
}

}  // namespace hako::engine
