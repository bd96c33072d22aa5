#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/firewall.h"
#include "network/iptables.h"

namespace hako::network {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Address ip(std::string_view text) { return Address::parse(text).value(); }

Subnet subnet(std::string_view text) {
    const Cidr cidr = Cidr::parse(text).value();
    return {cidr, cidr.address.plus(1).value(), {}};
}

// As nft would write it, about.
std::string text_of(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array()) {
        std::string text;
        for (const Json& item : value) text += (text.empty() ? "" : " ") + text_of(item);
        return text;
    }
    if (!value.is_object() || value.size() != 1) return value.dump();
    const auto first = value.begin();
    const std::string& kind = first.key();
    const Json& fields = first.value();
    if (kind == "match")
        return fmt::format("[{} {} {}]", text_of(fields.at("left")), text_of(fields.at("op")),
                           text_of(fields.at("right")));
    if (kind == "meta" || kind == "ct") return kind + " " + text_of(fields.at("key"));
    if (kind == "payload" && fields.contains("field"))
        return text_of(fields.at("protocol")) + " " + text_of(fields.at("field"));
    if (kind == "prefix")
        return fmt::format("{}/{}", text_of(fields.at("addr")), fields.at("len").dump());
    if (kind == "set") return "{" + text_of(fields) + "}";
    if (kind == "jump") return "jump " + text_of(fields.at("target"));
    return fields.is_null() ? kind : kind + " " + fields.dump();
}

// "chain: statements # comment", one line for each rule.
std::string lines_of(const Json& ruleset) {
    std::string lines = "\n";
    const auto text = [](const Json& object, const char* name) { return text_of(object.at(name)); };
    for (const Json& command : ruleset.at("nftables")) {
        const auto first = command.begin(), second = first.value().begin();
        const std::string &verb = first.key(), &kind = second.key();
        const Json& fields = second.value();
        if (kind == "table")
            lines +=
                fmt::format("{} table {} {}\n", verb, text(fields, "family"), text(fields, "name"));
        if (kind == "chain" && fields.contains("hook"))
            lines += fmt::format("chain {}: {} {} {}\n", text(fields, "name"), text(fields, "type"),
                                 text(fields, "hook"), text(fields, "prio"));
        if (kind == "element")
            lines += fmt::format("{} {}: {}\n", verb, text(fields, "name"), text(fields, "elem"));
        if (verb != "add" && kind == "chain")
            lines += fmt::format("{} chain {}\n", verb, text(fields, "name"));
        if (kind == "rule")
            lines += fmt::format("{}: {}{}\n", text(fields, "chain"), text(fields, "expr"),
                                 fields.contains("comment") ? " # " + text(fields, "comment") : "");
    }
    return lines;
}

FirewallState state() {
    NetworkConfig app{.id = "aaaa", .name = "app", .bridge = "hk-a"};
    app.v4 = subnet("172.17.0.0/16");
    app.v6 = subnet("fd00::/64");
    NetworkConfig inner{.id = "bbbb", .name = "inner", .bridge = "hk-b"};
    inner.v4 = subnet("172.18.0.0/16");
    inner.internal = true;
    inner.icc = false;
    Endpoint web{.container = "c1", .network = "aaaa", .name = "web"};
    web.v4 = ip("172.17.0.2");
    web.v6 = ip("fd00::2");
    web.mac = Mac::of(*web.v4);
    web.tap = "hkt1";
    web.ports = {{ip("0.0.0.0"), 8080, 0, 80, Protocol::tcp},
                 {ip("::"), 8080, 0, 80, Protocol::tcp},
                 {ip("192.0.2.1"), 53, 0, 5353, Protocol::udp},
                 {ip("127.0.0.1"), 9090, 0, 90, Protocol::tcp}};
    Endpoint hidden{.container = "c2", .network = "bbbb", .name = "hidden"};
    hidden.ports = {{ip("0.0.0.0"), 8081, 0, 80, Protocol::tcp}};
    hidden.v4 = ip("172.18.0.2");
    hidden.mac = Mac::of(*hidden.v4);
    hidden.tap = "hkt2";
    return {{inner, app}, {hidden, web}};
}

TEST(FirewallRules, AreTheseForTwoNetworks) {
    EXPECT_EQ(lines_of(firewall_ruleset("x", state())), R"(
add table inet hako_x
delete table inet hako_x
add table inet hako_x
chain forward: filter forward 0
forward: [ct state in established related] accept
forward: [meta iifname == hk-a] [meta oifname == hk-a] accept # network aaaa
forward: [meta iifname == hk-b] drop # internal bbbb
forward: [meta oifname == hk-b] drop # internal bbbb
forward: [meta oifname == hk-a] [ct status in dnat] accept # published aaaa
forward: [meta oifname == hk-a] drop # isolated aaaa
chain prerouting: nat prerouting -100
prerouting: [fib {"flags":["daddr"],"result":"type"} == local] jump ports
chain output: nat output -100
output: [fib {"flags":["daddr"],"result":"type"} == local] jump ports
ports: [ip daddr != 127.0.0.0/8] [ip saddr != 172.17.0.2] [tcp dport == 8080] dnat {"addr":"172.17.0.2","family":"ip","port":80} # container c1
ports: [ip6 daddr != {::1 fe80::/10}] [ip6 saddr != fd00::2] [tcp dport == 8080] dnat {"addr":"fd00::2","family":"ip6","port":80} # container c1
ports: [ip daddr == 192.0.2.1] [ip saddr != 172.17.0.2] [udp dport == 53] dnat {"addr":"172.17.0.2","family":"ip","port":5353} # container c1
chain postrouting: nat postrouting 100
postrouting: [ip saddr == 172.17.0.0/16] [meta oifname == hk-a] [ct status in dnat] masquerade # hairpin aaaa
postrouting: [ip saddr == 172.17.0.0/16] [meta oifname != hk-a] masquerade # network aaaa
postrouting: [ip6 saddr == fd00::/64] [meta oifname == hk-a] [ct status in dnat] masquerade # hairpin aaaa
postrouting: [ip6 saddr == fd00::/64] [meta oifname != hk-a] masquerade # network aaaa
postrouting: [ip saddr == 172.18.0.0/16] [meta oifname == hk-b] [ct status in dnat] masquerade # hairpin bbbb
add table bridge hako_x
delete table bridge hako_x
add table bridge hako_x
hkt1: [ether saddr != 02:42:ac:11:00:02] drop # container c1
hkt1: [meta protocol == ip] [udp sport == 67] drop # container c1
hkt1: [ip saddr != 172.17.0.2] drop # container c1
hkt1: [meta protocol == ip] accept # container c1
hkt1: [meta protocol == ip6] [udp sport == 547] drop # container c1
hkt1: [icmpv6 type == {nd-router-advert nd-redirect}] drop # container c1
hkt1: [icmpv6 type == nd-neighbor-advert] [payload {"base":"th","len":128,"offset":64} != {0xfd000000000000000000000000000002 0xfe800000000000000042acfffe110002}] drop # container c1
hkt1: [ip6 saddr != {fd00::2 fe80::42:acff:fe11:2 ::}] drop # container c1
hkt1: [meta protocol == ip6] accept # container c1
hkt1: [meta protocol == arp] limit {"burst":200,"inv":true,"per":"second","rate":100} drop # container c1
hkt1: [arp saddr ether != 02:42:ac:11:00:02] drop # container c1
hkt1: [arp saddr ip != {172.17.0.2 0.0.0.0}] drop # container c1
hkt1: [meta protocol == arp] accept # container c1
hkt1: drop # container c1
add taps: hkt1 jump hkt1
hkt2: [ether saddr != 02:42:ac:12:00:02] drop # container c2
hkt2: [meta protocol == ip] [udp sport == 67] drop # container c2
hkt2: [ip saddr != 172.18.0.2] drop # container c2
hkt2: [meta protocol == ip] accept # container c2
hkt2: [meta protocol == ip6] [udp sport == 547] drop # container c2
hkt2: [icmpv6 type == {nd-router-advert nd-redirect}] drop # container c2
hkt2: [icmpv6 type == nd-neighbor-advert] [payload {"base":"th","len":128,"offset":64} != {0xfe800000000000000042acfffe120002 0xfe800000000000000042acfffe120002}] drop # container c2
hkt2: [ip6 saddr != {fe80::42:acff:fe12:2 ::}] drop # container c2
hkt2: [meta protocol == ip6] accept # container c2
hkt2: [meta protocol == arp] limit {"burst":200,"inv":true,"per":"second","rate":100} drop # container c2
hkt2: [arp saddr ether != 02:42:ac:12:00:02] drop # container c2
hkt2: [arp saddr ip != {172.18.0.2 0.0.0.0}] drop # container c2
hkt2: [meta protocol == arp] accept # container c2
hkt2: drop # container c2
add taps: hkt2 jump hkt2
chain prerouting: filter prerouting -300
prerouting: vmap {"data":"@taps","key":{"meta":{"key":"iifname"}}}
chain forward: filter forward 0
forward: [meta iifname == {hkt2}] drop # icc=false bbbb
)");
}

TEST(FirewallRules, DoNotDependOnTheOrder) {
    FirewallState turned = state();
    std::swap(turned.networks[0], turned.networks[1]);
    std::swap(turned.endpoints[0], turned.endpoints[1]);
    EXPECT_EQ(firewall_ruleset("x", turned), firewall_ruleset("x", state()));
}

TEST(FirewallRules, ChangeByWhatComesAndGoes) {
    FirewallState from = state(), to = state();
    to.endpoints[1].name = "renamed";
    EXPECT_EQ(lines_of(firewall_change("x", from, to).value()), "\n");
    Endpoint more{.container = "c3", .network = "aaaa", .name = "more"};
    more.v4 = ip("172.17.0.3");
    more.tap = "hkt3";
    to.endpoints.push_back(more);
    const std::string come = lines_of(firewall_change("x", from, to).value());
    EXPECT_THAT(come, HasSubstr("\nhkt3: [ip saddr != 172.17.0.3] drop # container c3\n"));
    EXPECT_THAT(come, HasSubstr("\nadd taps: hkt3 jump hkt3\n"));
    EXPECT_THAT(come, Not(HasSubstr("hkt1")));
    EXPECT_EQ(lines_of(firewall_change("x", to, from).value()), R"(
delete taps: hkt3 jump hkt3
flush chain hkt3
delete chain hkt3
)");
}

TEST(FirewallRules, AreMadeAnewWhereAChangeHasNoName) {
    const FirewallState from = state();
    FirewallState other = from;
    other.endpoints.pop_back();  // it has ports
    EXPECT_FALSE(firewall_change("x", from, other));
    other = from;
    other.endpoints.erase(other.endpoints.begin());  // without icc
    EXPECT_FALSE(firewall_change("x", from, other));
    EXPECT_FALSE(firewall_change("x", other, from));
    other = from;
    other.networks.pop_back();
    EXPECT_FALSE(firewall_change("x", from, other));
}

std::vector<std::string> changes(const std::string& rules, const std::set<std::string>& bridges) {
    std::vector<std::string> lines;
    for (const Command& command : iptables_changes("iptables", rules, "x", bridges))
        lines.push_back(to_shell(command));
    return lines;
}

TEST(Iptables, NeedsNothingWhereNothingDrops) {
    EXPECT_THAT(changes("-P INPUT ACCEPT\n-P FORWARD ACCEPT\n", {"hk-a"}), IsEmpty());
}

TEST(Iptables, AcceptsOurBridgesWhereForwardDrops) {
    EXPECT_THAT(
        changes("-P FORWARD DROP\n", {"hk-a"}),
        ElementsAre("iptables -w 5 -I FORWARD -i hk-a -m comment --comment hako_x -j ACCEPT",
                    "iptables -w 5 -I FORWARD -o hk-a -m comment --comment hako_x -j "
                    "ACCEPT"));
    EXPECT_THAT(changes("-P FORWARD DROP\n-N DOCKER-USER\n", {"hk-a"}),
                ElementsAre(::testing::HasSubstr("-I DOCKER-USER -i hk-a"),
                            ::testing::HasSubstr("-I DOCKER-USER -o hk-a")));
}

TEST(Iptables, AddsWhatIsMissingAndRemovesOnlyItsOwn) {
    const std::string rules =
        "-P FORWARD DROP\n"
        "-A FORWARD -i hk-a -m comment --comment hako_x -j ACCEPT\n"
        "-A FORWARD -o hk-a -m comment --comment hako_x -j ACCEPT\n"
        "-A FORWARD -i hk-b -m comment --comment hako_x -j ACCEPT\n"
        "-A FORWARD -i hk-c -m comment --comment hako_y -j ACCEPT\n";
    EXPECT_THAT(changes(rules, {"hk-a"}),
                ElementsAre("iptables -w 5 -D FORWARD -i hk-b -m comment --comment hako_x -j "
                            "ACCEPT"));
    EXPECT_THAT(changes(rules, {}).size(), 3U);
}

}  // namespace
}  // namespace hako::network
