// The records: what networks there are, and which containers belong to them.
#include "engine/networks.h"

#include <algorithm>

#include "base/log.h"
#include "base/sha256.h"
#include "engine/endpoint_options.h"
#include "engine/network_filter.h"
#include "engine/network_record.h"
#include "engine/sharing.h"

namespace hako::engine {
namespace {

constexpr std::string_view kNoNetwork = "none";
constexpr std::string_view kHostNetwork = "host";

const std::string kDefaultBridge = "com.docker.network.bridge.default_bridge";

bool is_reserved(std::string_view name) {
    return name == kNoNetwork || name == kHostNetwork || name == "default" ||
           name == kDefaultNetwork;
}

std::string predefined_id(std::string_view name) {
    return sha256_hex(as_bytes(fmt::format("the network {}", name)));
}

// Docker lists them; there is nothing of them here but their names.
void add_predefined(std::map<std::string, Network>& networks) {
    for (const auto& [name, driver] :
         {std::pair(kNoNetwork, "null"), std::pair(kHostNetwork, "host")}) {
        Network network;
        network.name = name;
        network.driver = driver;
        network.id = predefined_id(name);
        network.created = now();
        networks.emplace(network.id, network);
    }
}

Result<void> check_name(std::string_view name) {
    if (name.empty()) return fail(ErrorKind::invalid, "a network needs a name");
    if (is_reserved(name))
        return fail(ErrorKind::forbidden, "operation is not permitted on predefined {} network",
                    name);
    const auto good = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-' || c == ' ';
    };
    if (name.size() > 255 || std::isalnum(static_cast<unsigned char>(name.front())) == 0 ||
        !std::ranges::all_of(name, good))
        return fail(ErrorKind::invalid,
                    "invalid network name \"{}\": begin with a letter or digit and use letters, "
                    "digits, '_', '.' and '-'",
                    name.substr(0, 64));
    return {};
}

Result<void> check_driver(const NetworkRequest& request) {
    if (request.driver == network::driver_bridge) return {};
    if (request.driver != network::driver_macvlan)
        return fail(ErrorKind::invalid,
                    "network driver \"{}\" is not offered: use bridge or macvlan",
                    request.driver.substr(0, 64));
    if (!request.options.contains("parent"))
        return fail(ErrorKind::invalid,
                    "a macvlan network needs the host's link to the LAN: add -o parent=LINK");
    if (request.ranges.empty())
        return fail(ErrorKind::invalid,
                    "a macvlan network needs the LAN's subnet: add --subnet, --gateway and an "
                    "--ip-range that nobody else gives out");
    return {};
}

Result<network::SubnetRequest> subnet_request(const IpamRange& range) {
    network::SubnetRequest request;
    if (!range.subnet.empty()) {
        HAKO_TRY(request.subnet, network::Cidr::parse(range.subnet));
        request.family = request.subnet->family();
    }
    if (!range.ip_range.empty()) {
        HAKO_TRY(request.ip_range, network::Cidr::parse(range.ip_range));
    }
    if (!range.gateway.empty()) {
        HAKO_TRY(request.gateway, network::Address::parse(range.gateway));
    }
    for (const auto& [name, text] : range.auxiliary) {
        HAKO_TRY(request.auxiliary[name], network::Address::parse(text));
    }
    return request;
}

IpamRange to_range(const network::Subnet& subnet) {
    IpamRange range{.subnet = to_string(subnet.subnet),
                    .ip_range = subnet.ip_range ? to_string(*subnet.ip_range) : "",
                    .gateway = to_string(subnet.gateway)};
    for (const auto& [name, address] : subnet.auxiliary) range.auxiliary[name] = to_string(address);
    return range;
}

// The network's ranges, complete: one IPv4, and one IPv6 where that is wanted.
Result<std::vector<IpamRange>> choose_ranges(const network::Ipam& ipam,
                                             const NetworkRequest& request,
                                             const std::vector<network::Cidr>& routes) {
    std::vector<IpamRange> chosen;
    bool v4 = false;
    bool v6 = false;
    for (const IpamRange& range : request.ranges) {
        HAKO_TRY(const auto wanted, subnet_request(range));
        bool& seen = wanted.family == network::Family::v4 ? v4 : v6;
        if (std::exchange(seen, true))
            return fail(ErrorKind::invalid, "a network has one subnet of each address family");
        // The LAN's own subnet is of course one that the host has a route to.
        const bool is_lan = request.driver == network::driver_macvlan;
        HAKO_TRY(const auto subnet,
                 ipam.choose_subnet(wanted, is_lan ? std::span<const network::Cidr>() : routes));
        chosen.push_back(to_range(subnet));
    }
    if (!v4) {
        HAKO_TRY(const auto subnet, ipam.choose_subnet({.family = network::Family::v4}, routes));
        chosen.insert(chosen.begin(), to_range(subnet));
    }
    if (request.enable_ipv6 && !v6) {
        HAKO_TRY(const auto subnet, ipam.choose_subnet({.family = network::Family::v6}, routes));
        chosen.push_back(to_range(subnet));
    }
    return chosen;
}

Result<void> check_static(const Network& network, const std::string& text) {
    if (text.empty()) return {};
    HAKO_TRY(const auto address,
             with_context(network::Address::parse(text), "invalid endpoint settings"));
    for (const IpamRange& range : network.ranges) {
        HAKO_TRY(const auto subnet, network::Cidr::parse(range.subnet));
        if (subnet.contains(address)) return {};
    }
    return fail(ErrorKind::invalid,
                "invalid endpoint settings: no configured subnet or ip-range contain the IP "
                "address {}",
                text);
}

// For a container that has no network of its own.
Result<void> check_no_static(const std::map<std::string, EndpointSettings>& wanted) {
    for (const auto& [name, settings] : wanted)
        if (!settings.ipv4.empty() || !settings.ipv6.empty())
            return fail(ErrorKind::invalid,
                        "user specified IP address is supported on user defined networks only: "
                        "this container is on none");
    return {};
}

bool has_live(const std::map<std::string, std::vector<Attachment>>& all, const std::string& id) {
    return std::ranges::any_of(all, [&](const auto& item) {
        return std::ranges::any_of(
            item.second, [&](const Attachment& one) { return one.live() && one.network_id == id; });
    });
}

}  // namespace

Result<std::unique_ptr<Networks>> Networks::open(store::Database& database, NetworkSource& source,
                                                 bool default_bridge) {
    HAKO_TRY(auto store, NetworkStore::open(database));
    std::unique_ptr<Networks> networks(
        new Networks(store, source, default_bridge && source.permitted()));
    auto state = networks->state_.lock();
    HAKO_TRY(auto stored, store.networks());
    for (Network& network : stored) {
        auto config = to_config(network);
        if (!config) {
            // Of a hako that took more. The others are not to wait for somebody to put that right.
            log_error("network {} is without its options: {}", network.name,
                      config.error().message());
            network.options.clear();
            config = to_config(network);
        }
        if (!config) return fail(config.error());
        state->ipam.add_network(*config);
        state->networks.emplace(network.id, std::move(network));
    }
    add_predefined(state->networks);
    HAKO_TRY(state->attachments, store.attachments());
    return networks;
}

Result<void> Networks::ensure_default(State& state) {
    if (!default_bridge_) return {};
    for (const auto& [id, network] : state.networks)
        if (network.name == kDefaultNetwork) return {};
    NetworkRequest request{.name = std::string(kDefaultNetwork)};
    request.options = {{kDefaultBridge, "true"}};
    return add(state, request).map([](const Network&) {});
}

Result<Network> Networks::add(State& state, const NetworkRequest& request) {
    for (const auto& [id, known] : state.networks)
        if (known.name == request.name)
            return fail(ErrorKind::conflict, "network with name {} already exists", request.name);
    HAKO_CHECK(check_driver(request));
    Network network;
    static_cast<NetworkRequest&>(network) = request;
    network.id = random_id();
    network.created = now();
    HAKO_TRY(auto* const links, source_.links());
    HAKO_TRY(const auto routes, links->routes());
    HAKO_TRY(network.ranges, choose_ranges(state.ipam, request, routes));
    for (const IpamRange& range : network.ranges)
        if (range.subnet.find(':') != std::string::npos) network.enable_ipv6 = true;
    HAKO_TRY(const auto config, to_config(network));
    if (network.driver == network::driver_macvlan) HAKO_CHECK(links->find_parent(config.parent));
    for (const auto& [id, known] : state.networks)
        if (const auto bridge = bridge_of(known);
            !config.bridge.empty() && bridge && *bridge == config.bridge)
            return fail(ErrorKind::conflict, "network {} has the bridge {} already", known.name,
                        config.bridge);
    HAKO_CHECK(store_.insert(network));
    state.ipam.add_network(config);
    state.networks.emplace(network.id, network);
    return network;
}

Result<Network> Networks::create(const NetworkRequest& request) {
    HAKO_CHECK(check_name(request.name));
    if (!source_.permitted())
        return fail(ErrorKind::forbidden,
                    "hakod may not set up networks: it needs to run as root (CAP_NET_ADMIN)");
    auto state = state_.lock();
    // First, for the subnet that its users know it by.
    HAKO_CHECK(ensure_default(*state));
    return add(*state, request);
}

Result<Network*> Networks::look_up(State& state, std::string_view reference) {
    if (const auto found = state.networks.find(std::string(reference));
        found != state.networks.end())
        return &found->second;
    Network* match = nullptr;
    for (auto& [id, network] : state.networks)
        if (network.name == reference) return &network;
    for (auto& [id, network] : state.networks) {
        if (reference.empty() || !id.starts_with(reference)) continue;
        if (match != nullptr)
            return fail(ErrorKind::invalid, "network {} is ambiguous: several ids begin with it",
                        reference);
        match = &network;
    }
    if (match == nullptr) return fail(ErrorKind::not_found, "network {} not found", reference);
    return match;
}

Network Networks::with_members(const State& state, const Network& network) {
    Network full = network;
    if (const auto bridge = bridge_of(network); bridge && network.options.contains(kDefaultBridge))
        // As Docker tells of its own; scripts ask it for the host's link.
        full.options.insert({{"com.docker.network.bridge.enable_icc", "true"},
                             {"com.docker.network.bridge.enable_ip_masquerade", "true"},
                             {"com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"},
                             {"com.docker.network.bridge.name", *bridge},
                             {"com.docker.network.driver.mtu", "1500"}});
    for (const auto& [container, attachments] : state.attachments)
        for (const Attachment& one : attachments) {
            if (one.network_id != network.id || !one.live()) continue;
            NetworkMember member{.endpoint_id = one.endpoint_id, .mac = one.mac};
            if (const auto found = state.running.find(container); found != state.running.end())
                member.name = found->second.name;
            if (!one.ipv4.empty()) member.ipv4 = fmt::format("{}/{}", one.ipv4, one.prefix);
            if (!one.ipv6.empty()) member.ipv6 = fmt::format("{}/{}", one.ipv6, one.prefix_ipv6);
            full.members.emplace(container, std::move(member));
        }
    return full;
}

Result<Network> Networks::find(std::string_view reference) {
    auto state = state_.lock();
    HAKO_CHECK(ensure_default(*state));
    HAKO_TRY(const Network* found, look_up(*state, reference));
    return with_members(*state, *found);
}

Result<std::vector<Network>> Networks::list(const NetworkFilter& filter) {
    auto state = state_.lock();
    HAKO_CHECK(ensure_default(*state));
    std::vector<Network> found;
    for (const auto& [id, network] : state->networks) {
        const bool predefined = is_reserved(network.name);
        if (matches(network, predefined, has_live(state->attachments, id), filter))
            found.push_back(with_members(*state, network));
    }
    std::ranges::sort(found, {}, &Network::name);
    return found;
}

Result<Network> Networks::remove(std::string_view reference) {
    if (is_reserved(reference))
        return fail(ErrorKind::forbidden, "{} is a pre-defined network and cannot be removed",
                    reference);
    auto state = state_.lock();
    HAKO_TRY(const Network* found, look_up(*state, reference));
    if (is_reserved(found->name))
        return fail(ErrorKind::forbidden, "{} is a pre-defined network and cannot be removed",
                    found->name);
    const Network network = with_members(*state, *found);
    if (!network.members.empty()) {
        std::string names;
        for (const auto& [id, member] : network.members)
            names += fmt::format("{}{}", names.empty() ? "" : ", ", member.name);
        return fail(ErrorKind::forbidden,
                    "error while removing network: network {} id {} has active endpoints: {} {} "
                    "on it",
                    network.name, network.id, names, network.members.size() == 1 ? "runs" : "run");
    }
    if (state->bridges.contains(network.id)) {
        HAKO_TRY(const std::string bridge, bridge_of(network));
        HAKO_TRY(auto* const links, source_.links());
        state->bridges.erase(network.id);
        HAKO_CHECK(apply(*state));
        HAKO_CHECK(links->remove_link(bridge));
    }
    HAKO_CHECK(store_.erase(network.id));
    state->ipam.remove_network(network.id);
    state->networks.erase(network.id);
    return network;
}

Result<Attachment> Networks::make_attachment(const Network& network,
                                             const EndpointSettings& settings) const {
    if (network.name == kNoNetwork)
        return fail(ErrorKind::forbidden,
                    "container cannot be connected to multiple networks with one of the networks "
                    "in private (none) mode");
    if (network.name == kHostNetwork)
        return fail(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host "
                    "network: a virtual machine has no part in the host's network");
    HAKO_CHECK(check_static(network, settings.ipv4));
    HAKO_CHECK(check_static(network, settings.ipv6));
    if (!settings.mac.empty())
        HAKO_CHECK(with_context(network::Mac::parse(settings.mac), "invalid endpoint settings"));
    return Attachment{.network_id = network.id, .network_name = network.name, .wanted = settings};
}

Result<void> Networks::enlist(const Container& container,
                              const std::map<std::string, EndpointSettings>& wanted) {
    auto state = state_.lock();
    HAKO_CHECK(ensure_default(*state));
    const bool is_host = container.host_config.network_mode == kHostNetwork;
    if (is_host && !default_bridge_)
        return fail(ErrorKind::unimplemented,
                    "NetworkMode host: what the container listens to is published on the host, and "
                    "this daemon has no network to do it by: start hakod without HAKO_BRIDGE=none");
    const auto resolve = [&](const std::string& name) {
        const bool is_default =
            name.empty() || name == "default" || (is_host && name == kHostNetwork);
        return is_default ? std::string(kDefaultNetwork) : name;
    };
    const std::string mode = resolve(container.host_config.network_mode);
    // One in another's VM has that one's network or none.
    if (mode == kNoNetwork || !shared_with(container.host_config).empty())
        return check_no_static(wanted);
    std::vector<Attachment> attachments;
    const auto add_one = [&](const std::string& name, const EndpointSettings& how) -> Result<void> {
        if (name == kNoNetwork || (name == kDefaultNetwork && !default_bridge_)) return {};
        const auto found = look_up(*state, name);
        // Not as not_found: clients take that for a missing image.
        if (!found) return fail(ErrorKind::invalid, "{}", found.error().message());
        for (const Attachment& known : attachments)
            if (known.network_id == (*found)->id) return {};
        HAKO_TRY(auto attachment, make_attachment(**found, how));
        HAKO_CHECK(check_endpoint_options(attachment, attachments));
        attachments.push_back(std::move(attachment));
        return {};
    };
    EndpointSettings of_mode;
    for (const auto& [name, settings] : wanted)
        if (resolve(name) == mode) of_mode = settings;
    HAKO_CHECK(add_one(mode, of_mode));
    for (const auto& [name, settings] : wanted) HAKO_CHECK(add_one(resolve(name), settings));
    if (is_host && attachments.size() > 1)
        return fail(ErrorKind::invalid,
                    "conflicting options: a container in network mode host is on no other network");
    if (is_host) attachments.front().network_name = kHostNetwork;
    HAKO_CHECK(store_.save(container.id, attachments));
    if (!attachments.empty()) state->attachments[container.id] = std::move(attachments);
    return {};
}

Result<Network> Networks::connect(const Container& container, std::string_view reference,
                                  const EndpointSettings& settings) {
    auto state = state_.lock();
    HAKO_CHECK(ensure_default(*state));
    auto attachments = state->attachments[container.id];
    // As Docker: it stays as it was.
    if (const auto found = look_up(*state, reference); found)
        for (const Attachment& known : attachments)
            if (known.network_id == (*found)->id) return **found;
    HAKO_TRY(auto attachment, new_attachment(*state, container, reference, settings));
    // In place of one that it cannot start with any more.
    std::erase_if(attachments,
                  [&](const auto& one) { return !state->networks.contains(one.network_id); });
    attachments.push_back(std::move(attachment));
    HAKO_CHECK(store_.save(container.id, attachments));
    const Network network = state->networks.at(attachments.back().network_id);
    state->attachments[container.id] = std::move(attachments);
    return network;
}

Result<Attachment> Networks::new_attachment(State& state, const Container& container,
                                            std::string_view reference,
                                            const EndpointSettings& settings) {
    HAKO_CHECK(ensure_default(state));
    HAKO_TRY(const Network* found, look_up(state, reference));
    if (container.host_config.network_mode == kNoNetwork)
        return fail(ErrorKind::forbidden,
                    "container cannot be connected to multiple networks with one of the networks "
                    "in private (none) mode");
    if (container.host_config.network_mode == kHostNetwork ||
        container.host_config.network_mode.starts_with("container:"))
        return fail(ErrorKind::forbidden,
                    "container sharing network namespace with another container or host cannot be "
                    "connected to any other network");
    for (const Attachment& known : state.attachments[container.id])
        if (known.network_id == found->id)
            return fail(ErrorKind::forbidden, "endpoint with name {} already exists in network {}",
                        container.name, found->name);
    HAKO_TRY(auto attachment, make_attachment(*found, settings));
    HAKO_CHECK(check_endpoint_options(attachment, state.attachments[container.id]));
    return attachment;
}

Result<Network> Networks::disconnect(const Container& container, std::string_view reference) {
    auto state = state_.lock();
    HAKO_TRY(const Network network, find_attached(*state, container, reference));
    auto attachments = state->attachments[container.id];
    std::erase_if(attachments, [&](const Attachment& a) { return a.network_id == network.id; });
    HAKO_CHECK(store_.save(container.id, attachments));
    state->attachments[container.id] = std::move(attachments);
    return network;
}

Result<Network> Networks::find_attached(State& state, const Container& container,
                                        std::string_view reference) {
    // A network that was removed is known by what is left of it.
    for (const Attachment& one : state.attachments[container.id])
        if (!state.networks.contains(one.network_id) &&
            (one.network_name == reference || one.network_id == reference)) {
            Network gone;
            gone.id = one.network_id;
            gone.name = one.network_name;
            return gone;
        }
    HAKO_TRY(const Network* found, look_up(state, reference));
    if (container.host_config.network_mode == kHostNetwork)
        return fail(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host "
                    "network");
    const auto is_it = [&](const Attachment& one) { return one.network_id == found->id; };
    if (std::ranges::none_of(state.attachments[container.id], is_it))
        return fail(ErrorKind::not_found, "container {} is not connected to network {}",
                    container.name, found->name);
    return *found;
}

std::vector<Attachment> Networks::attachments(const std::string& container) const {
    auto state = state_.lock();
    const auto found = state->attachments.find(container);
    return found == state->attachments.end() ? std::vector<Attachment>() : found->second;
}

Attachment Networks::shown_as_none() {
    return {.network_id = predefined_id(kNoNetwork), .network_name = std::string(kNoNetwork)};
}

std::optional<std::size_t> Networks::bridged(const std::string& container) const {
    auto state = state_.lock();
    const auto found = state->attachments.find(container);
    if (found == state->attachments.end()) return 0;
    const auto is_port = [&](const Attachment& one) {
        const auto network = state->networks.find(one.network_id);
        return network != state->networks.end() && network->second.driver == network::driver_bridge;
    };
    if (!std::ranges::all_of(found->second, is_port)) return std::nullopt;
    return found->second.size();
}

}  // namespace hako::engine
