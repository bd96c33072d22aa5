// What the host has for the containers that run: addresses, links, rules, names and ports.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "engine/endpoint_options.h"
#include "engine/macos.h"
#include "engine/network_record.h"
#include "engine/networks.h"

namespace hako::engine {
namespace {

constexpr std::size_t kIdDigits = 64;
constexpr std::size_t kShortDigits = 12;

bool is_id(std::string_view text) {
    return text.size() == kIdDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Of "container:alias", or "container" alone.
void add_links(const std::vector<std::string>& links, std::map<std::string, std::string>& names) {
    for (const std::string& link : links) {
        auto target = to_lower(link.substr(0, link.find(':')));
        const auto alias = to_lower(link.substr(link.find(':') + 1));
        if (is_id(target)) target.resize(kShortDigits);  // as its host is called
        names.insert_or_assign(alias, std::move(target));
    }
}

std::optional<network::Address> parse_optional(const std::string& text) {
    if (text.empty()) return std::nullopt;
    const auto parsed = network::Address::parse(text);
    return parsed ? std::optional(*parsed) : std::nullopt;
}

// Who holds the host's port for something that listens: it comes and goes by itself.
std::string listener_key(const std::string& container, const std::string& port) {
    return container + ' ' + port;
}

}  // namespace

Attachment& published_on(std::vector<Attachment>& attachments,
                         const std::map<std::string, Network>& networks) {
    for (Attachment& one : attachments)
        if (const auto found = networks.find(one.network_id);
            found != networks.end() && !found->second.internal)
            return one;
    return attachments.front();
}

std::vector<network::NetworkConfig> Networks::raised(const State& state) const {
    std::vector<network::NetworkConfig> configs;
    for (const std::string& id : state.bridges)
        if (const auto found = state.networks.find(id); found != state.networks.end())
            if (auto config = to_config(found->second)) configs.push_back(*std::move(config));
    return configs;
}

Result<std::vector<network::Endpoint>> Networks::endpoints(const State& state) {
    std::vector<network::Endpoint> endpoints;
    for (const auto& [id, container] : state.running)
        for (const Attachment& one : state.attachments.at(id)) {
            if (!one.live() || !state.bridges.contains(one.network_id)) continue;
            HAKO_TRY(auto endpoint, to_endpoint(one, id, container.name));
            if (!container.config.hostname.empty())
                endpoint.aliases.push_back(container.config.hostname);
            endpoints.push_back(std::move(endpoint));
        }
    return endpoints;
}

Result<void> Networks::apply(State& state) {
    // What is a port of a bridge without rules of its own may send anything.
    remove_left_taps(state);
    HAKO_TRY(const auto running, endpoints(state));
    HAKO_TRY(auto* const firewall, source_.firewall());
    HAKO_CHECK(firewall->apply({raised(state), running}));
    state.rules_stale = false;
    return set_names(state, running);
}

Result<void> Networks::set_names(const State& state,
                                 const std::vector<network::Endpoint>& endpoints) {
    auto table = network::name_table(raised(state), endpoints);
    for (auto& [id, network] : table)
        for (auto& host : network.hosts) {
            const HostConfig& config = state.running.at(host.container).host_config;
            for (const auto& text : config.dns)
                if (const auto address = parse_optional(text)) host.resolvers.push_back(*address);
            add_links(config.links, host.links);
            for (const Attachment& one : state.attachments.at(host.container))
                add_links(one.wanted.links, host.links);
        }
    HAKO_TRY(auto* const names, source_.names());
    // Containers reach each other and the world without names, too.
    if (const auto set = names->set(std::move(table)); !set)
        log_warn("names of containers: {}", set.error().message());
    return {};
}

// The network's bridge is there afterwards.
Result<void> Networks::raise(State& state, const Network& network) {
    if (network.driver != network::driver_bridge || state.bridges.contains(network.id)) return {};
    HAKO_TRY(auto* const links, source_.links());
    HAKO_TRY(const auto config, to_config(network));
    HAKO_CHECK(links->ensure_bridge(network::bridge_spec(config)));
    state.bridges.insert(network.id);
    if (network.internal) return {};
    HAKO_CHECK(links->enable_forwarding(network::Family::v4));
    return config.v6 ? links->enable_forwarding(network::Family::v6) : Result<void>();
}

Result<void> Networks::allocate(State& state, const std::string& container,
                                Attachment& attachment) {
    const auto found = state.networks.find(attachment.network_id);
    if (found == state.networks.end())
        return fail(ErrorKind::not_found,
                    "network {} not found: it was removed; connect the "
                    "container to another one",
                    attachment.network_name);
    HAKO_TRY(const auto config, to_config(found->second));
    const EndpointSettings& wanted = attachment.wanted;
    attachment.endpoint_id = random_id();
    const auto take = [&](network::Family family,
                          const std::string& address) -> Result<network::Address> {
        // The holder's name says more than its id.
        for (const auto& [id, other] : state.running)
            for (const Attachment& one : state.attachments.at(id))
                if (!address.empty() && id != container && one.network_id == config.id &&
                    (one.ipv4 == address || one.ipv6 == address))
                    return fail(ErrorKind::conflict,
                                "address {} of network {} is in use by container {}", address,
                                config.name, other.name);
        return state.ipam.allocate(config.id, family, container, parse_optional(address));
    };
    if (config.v4) {
        HAKO_TRY(const auto address, take(network::Family::v4, wanted.ipv4));
        attachment.ipv4 = to_string(address);
        attachment.prefix = config.v4->subnet.prefix;
        attachment.gateway = to_string(config.v4->gateway);
        attachment.mac = to_string(network::Mac::of(address));
    }
    if (config.v6) {
        HAKO_TRY(const auto address, take(network::Family::v6, wanted.ipv6));
        attachment.ipv6 = to_string(address);
        attachment.prefix_ipv6 = config.v6->subnet.prefix;
        attachment.gateway_ipv6 = to_string(config.v6->gateway);
        if (attachment.mac.empty())
            attachment.mac = to_string(network::Mac::of(container + config.id));
    }
    if (!wanted.mac.empty()) {
        HAKO_TRY(const auto mac, network::Mac::parse(wanted.mac));
        attachment.mac = to_string(mac);
    }
    return {};
}

Result<void> Networks::add_link(State& state, const std::string& container,
                                const Attachment& attachment, const std::string& waiting) {
    const Network& network = state.networks.at(attachment.network_id);
    HAKO_TRY(const auto config, to_config(network));
    HAKO_CHECK(raise(state, network));
    HAKO_TRY(auto* const links, source_.links());
    const std::string tap = network::tap_name(container, network.id);
    // It left a moment ago.
    if (state.left_taps.erase(tap) != 0) remove_tap(tap);
    if (network.driver == network::driver_macvlan) {
        HAKO_TRY(const auto mac, network::Mac::parse(attachment.mac));
        return links->ensure_macvtap({tap, config.parent, mac, config.mtu});
    }
    return links->ensure_tap({tap, config.bridge, config.mtu, waiting});
}

// Holds the host's ports and writes down which they became.
Result<void> Networks::publish(State& state, const Container& container,
                               std::vector<Attachment>& attachments) {
    std::vector<network::PortBinding> wanted;
    for (const PublishedPort& port : wanted_ports(container)) {
        HAKO_TRY(const auto binding, to_binding(port));
        wanted.push_back(binding);
    }
    if (wanted.empty()) return {};
    Attachment& on = published_on(attachments, state.networks);
    if (const auto found = state.networks.find(on.network_id); found != state.networks.end()) {
        HAKO_TRY(const auto address, published_address(found->second));
        for (auto& binding : wanted)
            if (!binding.host_ip) binding.host_ip = address;
    }
    HAKO_TRY(auto* const ports, source_.ports());
    HAKO_TRY(const auto held, ports->reserve(container.id, container.name, wanted));
    for (const auto& binding : held) on.ports.push_back(to_published(binding));
    return {};
}

Result<void> Networks::forward(const std::string& container,
                               const std::vector<Attachment>& attachments) {
    for (const Attachment& one : attachments) {
        if (one.ports.empty()) continue;
        HAKO_TRY(auto* const ports, source_.ports());
        HAKO_CHECK(ports->forward(container, parse_optional(one.ipv4), parse_optional(one.ipv6)));
    }
    return {};
}

Result<Joined> Networks::join(State& state, const Container& container,
                              const std::string& waiting) {
    std::vector<Attachment>& attachments = state.attachments[container.id];
    // First, for this is what most often fails.
    HAKO_CHECK(publish(state, container, attachments));
    for (Attachment& one : attachments) {
        HAKO_CHECK(allocate(state, container.id, one));
        one.interface = interface_name(one, attachments);
        // A template's guest knows the first card by that. macOS has no agent to give it another.
        const bool is_first = &one == attachments.data() && !is_macos(container);
        one.card = is_first ? vmm::kFirstCardMac : one.mac;
    }
    HAKO_CHECK(store_.save(container.id, attachments));
    for (const Attachment& one : attachments)
        HAKO_CHECK(add_link(state, container.id, one, waiting));
    state.running.emplace(container.id, container);
    HAKO_CHECK(apply(state));
    HAKO_CHECK(forward(container.id, attachments));
    return describe_guest(container, attachments, state.networks, source_.resolv_conf());
}

Result<Joined> Networks::join(const Container& container, const std::string& waiting) {
    auto state = state_.lock();
    const auto found = state->attachments.find(container.id);
    if (found == state->attachments.end() || found->second.empty())
        return describe_guest(container, {}, state->networks, source_.resolv_conf());
    auto joined = join(*state, container, waiting);
    if (!joined) {
        leave(*state, container.id);
        clear(*state);
    }
    return joined;
}

// Goes on after errors: what stays is the next daemon's to remove.
void Networks::leave(State& state, const std::string& container) {
    const auto tell = [&](const Result<void>& step) {
        if (!step) log_warn("container {}: {}", container.substr(0, 12), step.error().message());
    };
    const bool ran = state.running.erase(container) != 0;
    const auto publishes = [](const Attachment& one) { return !one.ports.empty(); };
    if (std::ranges::any_of(state.attachments[container], publishes))
        if (const auto ports = source_.ports(); ports) {
            (*ports)->release(container);
            for (const Attachment& one : state.attachments[container])
                for (const PublishedPort& port : one.ports)
                    (*ports)->release(listener_key(container, port.container_port));
        }
    std::erase_if(state.refused, [&](const auto& key) { return key.starts_with(container); });
    for (Attachment& one : state.attachments[container]) {
        if (!one.live() && one.ports.empty()) continue;
        if (one.live()) {
            const std::string tap = network::tap_name(container, one.network_id);
            const auto network = state.networks.find(one.network_id);
            // The next one may want its MAC, which the LAN's link has once.
            if (network != state.networks.end() &&
                network->second.driver == network::driver_macvlan)
                remove_tap(tap);
            else state.left_taps.insert(tap);
        }
        for (const auto& address : {parse_optional(one.ipv4), parse_optional(one.ipv6)})
            if (address) state.ipam.release(one.network_id, *address);
        one = {.network_id = one.network_id,
               .network_name = one.network_name,
               .wanted = std::move(one.wanted)};
    }
    if (ran) {
        state.rules_stale = true;
        const auto others = endpoints(state);
        tell(others ? set_names(state, *others) : Result<void>(fail(others.error())));
    }
    tell(store_.save(container, state.attachments[container]));
}

void Networks::remove_tap(const std::string& tap) {
    const auto links = source_.links();
    const auto removed = links ? (*links)->remove_link(tap) : Result<void>(fail(links.error()));
    if (!removed) log_warn("{}", removed.error().message());
}

void Networks::remove_left_taps(State& state) {
    for (const std::string& tap : std::exchange(state.left_taps, {})) remove_tap(tap);
}

void Networks::clear(State& state) {
    remove_left_taps(state);
    if (!state.rules_stale) return;
    if (const auto applied = apply(state); !applied) log_warn("{}", applied.error().message());
}

void Networks::clear() {
    auto state = state_.lock();
    clear(*state);
}

std::vector<Attachment> Networks::leave(const std::string& container) {
    auto state = state_.lock();
    std::vector<Attachment> left;
    if (const auto found = state->attachments.find(container); found != state->attachments.end())
        left = found->second;
    std::erase_if(left, [](const Attachment& one) { return !one.live(); });
    if (!left.empty() || state->running.contains(container)) leave(*state, container);
    return left;
}

std::vector<Error> Networks::publish_listening(const std::string& container,
                                               const std::set<std::string>& ports) {
    auto state = state_.lock();
    const auto running = state->running.find(container);
    if (running == state->running.end() || state->attachments[container].empty()) return {};
    std::vector<Error> refusals;
    Attachment& on = state->attachments[container].front();
    const auto before = on.ports;
    const auto publish_one = [&](network::Ports& holder, const std::string& port) -> Result<void> {
        const std::string key = listener_key(container, port);
        HAKO_TRY(const auto binding, to_binding({port, "", port.substr(0, port.find('/'))}));
        HAKO_TRY(const auto held, holder.reserve(key, running->second.name, {binding}));
        if (auto forwarded = holder.forward(key, parse_optional(on.ipv4), parse_optional(on.ipv6));
            !forwarded) {
            holder.release(key);
            return forwarded;
        }
        for (const auto& one : held) on.ports.push_back(to_published(one));
        return {};
    };
    const auto holder = source_.ports();
    if (!holder) return {holder.error()};
    std::erase_if(on.ports, [&](const PublishedPort& port) {
        if (ports.contains(port.container_port)) return false;
        (*holder)->release(listener_key(container, port.container_port));
        return true;
    });
    std::erase_if(state->refused, [&](const std::string& key) {
        return key.starts_with(container) && !ports.contains(key.substr(container.size() + 1));
    });
    for (const std::string& port : ports) {
        const auto is_it = [&](const PublishedPort& other) { return other.container_port == port; };
        if (std::ranges::any_of(on.ports, is_it)) continue;
        const auto published = publish_one(**holder, port);
        const std::string key = listener_key(container, port);
        if (published) state->refused.erase(key);
        else if (state->refused.insert(key).second) refusals.push_back(published.error());
    }
    const auto same = [](const PublishedPort& one, const PublishedPort& other) {
        return one.container_port == other.container_port && one.host_ip == other.host_ip;
    };
    if (!std::ranges::equal(before, on.ports, same))
        if (const auto applied = apply(*state); !applied) refusals.push_back(applied.error());
    return refusals;
}

void Networks::forget(const std::string& container) {
    leave(container);
    auto state = state_.lock();
    if (state->attachments.erase(container) == 0) return;
    if (const auto erased = store_.save(container, {}); !erased)
        log_warn("container {}: {}", container, erased.error().message());
}

void Networks::rename(const std::string& container, const std::string& name) {
    auto state = state_.lock();
    const auto found = state->running.find(container);
    if (found == state->running.end()) return;
    found->second.name = name;
    if (const auto applied = apply(*state); !applied)
        log_warn("container {}: {}", name, applied.error().message());
}

Result<std::vector<NetworkChange>> Networks::recover(const std::vector<Container>& running) {
    auto state = state_.lock();
    std::set<std::string> known;
    bool was_used = false;
    for (const Container& container : running) state->running.emplace(container.id, container);
    std::vector<std::string> gone;
    for (const auto& [id, attachments] : state->attachments) {
        const bool live = std::ranges::any_of(attachments, &Attachment::live);
        was_used = was_used || live;
        if (live && !state->running.contains(id)) gone.push_back(id);
    }
    if (!was_used && !source_.permitted()) return std::vector<NetworkChange>();
    const auto undone = undo_changes(*state, running);
    for (const Container& container : running)
        for (const Attachment& one : state->attachments[container.id]) {
            if (!one.live()) continue;
            HAKO_TRY(const auto endpoint, to_endpoint(one, container.id, container.name));
            HAKO_CHECK(state->ipam.restore(endpoint));
            HAKO_CHECK(add_link(*state, container.id, one));
            HAKO_TRY(const std::string bridge, bridge_of(state->networks.at(one.network_id)));
            known.insert(bridge);
            known.insert(endpoint.tap);
            if (endpoint.ports.empty()) continue;
            HAKO_TRY(auto* const ports, source_.ports());
            HAKO_CHECK(ports->reserve(container.id, container.name, endpoint.ports));
            HAKO_CHECK(forward(container.id, state->attachments[container.id]));
        }
    HAKO_TRY(auto* const links, source_.links());
    HAKO_TRY(const auto ours, links->links());
    HAKO_CHECK(links->recover(known));
    for (const std::string& id : gone) leave(*state, id);
    state->left_taps.clear();  // they were not known
    // A daemon that never had a network on this host leaves its rules alone.
    if (!was_used && ours.empty()) return undone;
    HAKO_CHECK(apply(*state));
    return undone;
}

}  // namespace hako::engine
