// The rules as data. What they promise is in docs/network.md.
#include <algorithm>

#include "network/firewall.h"
#include "network/nft_json.h"

namespace hako::network {

namespace {

using namespace nft;

// The kernel's: NF_IP_PRI_FILTER, NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC, before all of the bridge's.
constexpr int kFilter = 0;
constexpr int kDestinationNat = -100;
constexpr int kSourceNat = 100;
constexpr int kBridgeFirst = -300;
// ARP requests a second of one guest, and how many at once.
constexpr int kArpRate = 100;
constexpr int kArpBurst = 200;
// Which chain says what comes from a tap.
constexpr std::string_view kTaps = "taps";

std::string_view ip_name(Family family) { return family == Family::v4 ? "ip" : "ip6"; }

std::string tag(std::string_view what, std::string_view id) {
    return fmt::format("{} {}", what, id.substr(0, 12));
}

std::vector<const Subnet*> subnets_of(const NetworkConfig& network) {
    std::vector<const Subnet*> subnets;
    for (const auto* subnet : {&network.v4, &network.v6})
        if (*subnet) subnets.push_back(&**subnet);
    return subnets;
}

// Which packets may pass the host. A packet to a bridge comes from the same bridge, answers, or was
// sent to a published port; whatever else reaches a bridge was routed around NAT or comes from
// another network. Nothing passes into or out of internal networks.
void add_forward(Table& table, const std::vector<NetworkConfig>& networks) {
    table.base_chain("forward", "filter", "forward", kFilter);
    table.rule("forward", {has(ct("state"), {"established", "related"}), accept()});
    for (const NetworkConfig& network : networks)
        if (network.icc)
            table.rule("forward",
                       {is(meta("iifname"), network.bridge), is(meta("oifname"), network.bridge),
                        accept()},
                       tag("network", network.id));
    for (const NetworkConfig& network : networks)
        if (network.internal)
            for (const char* side : {"iifname", "oifname"})
                table.rule("forward", {is(meta(side), network.bridge), drop()},
                           tag("internal", network.id));
    for (const NetworkConfig& network : networks) {
        if (network.internal) continue;
        table.rule("forward",
                   {is(meta("oifname"), network.bridge), has(ct("status"), "dnat"), accept()},
                   tag("published", network.id));
        table.rule("forward", {is(meta("oifname"), network.bridge), drop()},
                   tag("isolated", network.id));
    }
}

// To the host's own addresses, but loopback and link-local ones: those are Ports' to relay.
Json to_the_host(const Address& host) {
    const std::string_view ip = ip_name(host.family());
    if (!host.is_any()) return is(field(ip, "daddr"), to_string(host));
    if (host.is_v4()) return is_not(field(ip, "daddr"), prefix("127.0.0.0", 8));
    return is_not(field(ip, "daddr"), {{"set", {"::1", prefix("fe80::", 10)}}});
}

void add_published(Table& table, const Endpoint& endpoint,
                   const std::vector<NetworkConfig>& networks) {
    const auto network = std::ranges::find(networks, endpoint.network, &NetworkConfig::id);
    if (network == networks.end() || network->internal) return;
    for (const PortBinding& port : endpoint.ports) {
        if (!port.host_ip || port.host_ip->is_loopback()) continue;
        const Family family = port.host_ip->family();
        const auto& target = family == Family::v4 ? endpoint.v4 : endpoint.v6;
        if (!target) continue;
        // From the container itself: the kernel routes no packet whose source is its destination,
        // so it goes to Ports, too.
        table.rule("ports",
                   {to_the_host(*port.host_ip),
                    is_not(field(ip_name(family), "saddr"), to_string(*target)),
                    is(field(to_string(port.protocol), "dport"), port.host_port),
                    {{"dnat",
                      {{"family", ip_name(family)},
                       {"addr", to_string(*target)},
                       {"port", port.container_port}}}}},
                   tag("container", endpoint.container));
    }
}

void add_nat(Table& table, const FirewallState& state) {
    const Json to_us = is({{"fib", {{"result", "type"}, {"flags", {"daddr"}}}}}, "local");
    table.chain("ports");
    table.base_chain("prerouting", "nat", "prerouting", kDestinationNat);
    table.rule("prerouting", {to_us, jump("ports")});
    table.base_chain("output", "nat", "output", kDestinationNat);
    table.rule("output", {to_us, jump("ports")});
    for (const Endpoint& endpoint : state.endpoints) add_published(table, endpoint, state.networks);

    table.base_chain("postrouting", "nat", "postrouting", kSourceNat);
    for (const NetworkConfig& network : state.networks)
        for (const Subnet* subnet : subnets_of(network)) {
            const Json from = is(field(ip_name(subnet->subnet.family()), "saddr"),
                                 prefix(to_string(subnet->subnet.address), subnet->subnet.prefix));
            // A container that uses a published port of its own network: the answer has to come
            // back through the host.
            table.rule("postrouting",
                       {from, is(meta("oifname"), network.bridge), has(ct("status"), "dnat"),
                        masquerade()},
                       tag("hairpin", network.id));
            if (network.masquerade && !network.internal)
                table.rule("postrouting",
                           {from, is_not(meta("oifname"), network.bridge), masquerade()},
                           tag("network", network.id));
        }
}

std::vector<std::string> texts(const std::vector<std::optional<Address>>& addresses) {
    std::vector<std::string> result;
    for (const auto& address : addresses)
        if (address) result.push_back(to_string(*address));
    return result;
}

// As nft wants raw bytes of a packet: "0xfd00...".
std::string hex(const Address& address) {
    std::string text = "0x";
    for (const std::uint8_t byte : address.bytes()) text += fmt::format("{:02x}", byte);
    return text;
}

// What one guest may send.
void add_guest(Table& table, const Endpoint& endpoint) {
    if (endpoint.tap.empty()) return;
    const std::string& chain = endpoint.tap;
    const std::string who = tag("container", endpoint.container);
    const auto forbid = [&](std::vector<Json> statements) {
        statements.push_back(drop());
        table.rule(chain, std::move(statements), who);
    };
    const std::string mac = to_string(endpoint.mac);
    const Address none;  // 0.0.0.0: a probe for a free address
    const auto permit = [&](std::string_view protocol) {
        table.rule(chain, {is(meta("protocol"), protocol), accept()}, who);
    };
    table.chain(chain);
    forbid({is_not(field("ether", "saddr"), mac)});

    // First what is most.
    forbid({is(meta("protocol"), "ip"), is(field("udp", "sport"), 67)});
    forbid({is_not(field("ip", "saddr"), to_string(endpoint.v4.value_or(none)))});
    permit("ip");

    const Address local = endpoint.mac.link_local();
    forbid({is(meta("protocol"), "ip6"), is(field("udp", "sport"), 547)});
    forbid({is(field("icmpv6", "type"), set_of({"nd-router-advert", "nd-redirect"}))});
    // The target address, which "icmpv6 taddr" names in newer versions of nft.
    forbid({is(field("icmpv6", "type"), "nd-neighbor-advert"),
            is_not(transport(64, 128), set_of({hex(endpoint.v6.value_or(local)), hex(local)}))});
    forbid({is_not(field("ip6", "saddr"),
                   set_of(texts({endpoint.v6, local, Address::any(Family::v6)})))});
    permit("ip6");

    forbid({is(meta("protocol"), "arp"),
            {{"limit",
              {{"rate", kArpRate}, {"burst", kArpBurst}, {"per", "second"}, {"inv", true}}}}});
    forbid({is_not(field("arp", "saddr ether"), mac)});
    forbid({is_not(field("arp", "saddr ip"), set_of(texts({endpoint.v4, none})))});
    permit("arp");
    forbid({});
    table.jump_for(kTaps, endpoint.tap, chain);
}

void add_guests(Table& table, const FirewallState& state) {
    table.verdicts(kTaps);
    for (const Endpoint& endpoint : state.endpoints) add_guest(table, endpoint);
    table.base_chain("prerouting", "filter", "prerouting", kBridgeFirst);
    table.rule("prerouting",
               {{{"vmap", {{"key", meta("iifname")}, {"data", fmt::format("@{}", kTaps)}}}}});
    table.base_chain("forward", "filter", "forward", kFilter);
    for (const NetworkConfig& network : state.networks) {
        std::vector<std::string> silent;
        for (const Endpoint& endpoint : state.endpoints)
            if (!network.icc && endpoint.network == network.id && !endpoint.tap.empty())
                silent.push_back(endpoint.tap);
        if (!silent.empty())
            table.rule("forward", {is(meta("iifname"), set_of(std::move(silent))), drop()},
                       tag("icc=false", network.id));
    }
}

// Rules do not name it otherwise.
bool same_rules(Endpoint one, const Endpoint& other) {
    one.name = other.name;
    one.aliases = other.aliases;
    return one == other;
}

// Those of `these` that are not among `others`.
std::vector<Endpoint> without(const std::vector<Endpoint>& these,
                              const std::vector<Endpoint>& others) {
    std::vector<Endpoint> left;
    for (const Endpoint& endpoint : these)
        if (std::ranges::none_of(
                others, [&](const Endpoint& other) { return same_rules(endpoint, other); }))
            left.push_back(endpoint);
    return left;
}

std::string table_of(const std::string& instance) { return "hako_" + instance; }

}  // namespace

Json firewall_ruleset(const std::string& instance, const FirewallState& unordered) {
    // The same state gives the same text.
    FirewallState state = unordered;
    std::ranges::sort(state.networks, {}, &NetworkConfig::id);
    std::ranges::sort(state.endpoints, {}, [](const Endpoint& endpoint) {
        return std::pair(endpoint.container, endpoint.network);
    });
    Json commands = Json::array();
    Table routed(commands, "inet", table_of(instance));
    routed.make_anew();
    add_forward(routed, state.networks);
    add_nat(routed, state);
    Table bridged(commands, "bridge", table_of(instance));
    bridged.make_anew();
    add_guests(bridged, state);
    return {{"nftables", std::move(commands)}};
}

std::optional<Json> firewall_change(const std::string& instance, const FirewallState& from,
                                    const FirewallState& to) {
    if (from.networks != to.networks) return {};
    const auto going = without(from.endpoints, to.endpoints);
    const auto coming = without(to.endpoints, from.endpoints);
    // The rules of these have no names.
    const auto is_nameless = [&](const Endpoint& endpoint) {
        const auto network = std::ranges::find(to.networks, endpoint.network, &NetworkConfig::id);
        return network != to.networks.end() && !network->icc;
    };
    if (std::ranges::any_of(going, [](const Endpoint& one) { return !one.ports.empty(); }) ||
        std::ranges::any_of(going, is_nameless) || std::ranges::any_of(coming, is_nameless))
        return {};
    Json commands = Json::array();
    Table routed(commands, "inet", table_of(instance));
    Table bridged(commands, "bridge", table_of(instance));
    for (const Endpoint& endpoint : going) {
        if (endpoint.tap.empty()) continue;
        bridged.forget(kTaps, endpoint.tap, endpoint.tap);
        bridged.remove_chain(endpoint.tap);
    }
    for (const Endpoint& endpoint : coming) {
        add_published(routed, endpoint, to.networks);
        add_guest(bridged, endpoint);
    }
    return Json{{"nftables", std::move(commands)}};
}

}  // namespace hako::network
