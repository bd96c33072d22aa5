// The rules at work: containers, a LAN and a host, each a network namespace.
#include "network/firewall.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <ranges>
#include <sstream>

#include "network/links.h"
#include "network/test_namespace.h"

namespace hako::network {
namespace {

Address ip(std::string_view text) { return Address::parse(text).value(); }

// Answers every connection to port 80 with the address that it came from.
const std::string kServer = python(R"(
import socket
s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, a = s.accept()
    c.sendall(a[0].replace("::ffff:", "").encode())
    c.close()
)");

// Prints what a server says, within three seconds.
std::string ask(std::string_view host, int port) {
    return python(fmt::format(R"(
import socket
print(socket.create_connection(("{}", {}), 3).recv(99).decode(), end="")
)",
                              host, port));
}

class FirewallTest : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (IsSkipped()) return;
        if (!works("nft list tables")) GTEST_SKIP() << "needs nft and nf_tables";
        host_ = open_host_network("t1").value();
        firewall_ = open_firewall("t1").value();
        ASSERT_TRUE(host_->enable_forwarding(Family::v4));
        ASSERT_TRUE(host_->enable_forwarding(Family::v6));
        for (const char* name : {"a", "b", "i"}) add_network(name, name[0]);
        lan_.emplace("lan0",
                     "ip addr add 203.0.113.2/24 dev eth0;"
                     "ip addr add 2001:db8::2/64 dev eth0");
        sh("sysctl -qw net.ipv6.conf.lan0.accept_dad=0; ip addr add 203.0.113.1/24 dev lan0;"
           "ip addr add 2001:db8::1/64 dev lan0 nodad");
    }

    void add_network(const std::string& name, char digit) {
        NetworkConfig network{.id = name, .name = name, .bridge = "hk-" + name};
        network.v4 = Subnet{Cidr::parse(fmt::format("10.9.{}.0/24", int{digit})).value(),
                            ip(fmt::format("10.9.{}.1", int{digit})),
                            {}};
        network.v6 = Subnet{Cidr::parse(fmt::format("fd09:{}::/64", int{digit})).value(),
                            ip(fmt::format("fd09:{}::1", int{digit})),
                            {}};
        network.internal = name == "i";
        ASSERT_TRUE(host_->ensure_bridge(bridge_spec(network)));
        state_.networks.push_back(network);
    }

    // A container as a neighbour whose veth end is its tap.
    Neighbour join(const std::string& network, int number, std::vector<PortBinding> ports = {}) {
        const auto config = *std::ranges::find(state_.networks, network, &NetworkConfig::id);
        Endpoint endpoint{.container = fmt::format("c{}", number), .network = network};
        endpoint.v4 = config.v4->subnet.address.plus(unsigned(number));
        endpoint.v6 = config.v6->subnet.address.plus(unsigned(number));
        endpoint.mac = Mac::of(*endpoint.v4);
        endpoint.tap = fmt::format("hkt{}", number);
        endpoint.ports = std::move(ports);
        state_.endpoints.push_back(endpoint);
        Neighbour container(
            endpoint.tap,
            fmt::format("ip link set eth0 address {}; ip link set eth0 up;"
                        "ip addr add {}/24 dev eth0; ip addr add {}/64 dev eth0;"
                        "ip route add default via {}; ip route add default via {}",
                        to_string(endpoint.mac), to_string(*endpoint.v4), to_string(*endpoint.v6),
                        to_string(config.v4->gateway), to_string(config.v6->gateway)));
        sh(fmt::format("ip link set {} master {}", endpoint.tap, config.bridge));
        return container;
    }

    void apply() {
        const auto applied = firewall_->apply(state_);
        ASSERT_TRUE(applied) << applied.error().message();
    }

    static bool reaches(const Neighbour& from, const std::string& address) {
        return from.works("busybox ping -c 1 -W 1 " + address);
    }
    // Starts the server and waits until it answers.
    static Process serve(const Neighbour& where) {
        Process server = where.start(kServer);
        while (!where.works(ask("127.0.0.1", 80) + " 2>/dev/null"))
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return server;
    }

    // The lines of an instance's tables, in any order: what comes later stands behind what was
    // there.
    static std::vector<std::string> rules_of(const std::string& instance) {
        std::istringstream stream(
            sh(fmt::format("for family in inet bridge; do nft list table $family hako_{0}; done | "
                           "sed s/hako_{0}/us/",
                           instance)));
        std::vector<std::string> lines;
        for (std::string line; std::getline(stream, line);) lines.push_back(line);
        std::ranges::sort(lines);
        return lines;
    }

    std::unique_ptr<HostNetwork> host_;
    std::unique_ptr<Firewall> firewall_;
    std::optional<Neighbour> lan_;
    FirewallState state_;
};

TEST_F(FirewallTest, ContainersReachEachOtherAndTheOutsideButNoOtherNetwork) {
    const Neighbour one = join("a", 2);
    const Neighbour two = join("a", 3);
    const Neighbour other = join("b", 4);
    const Neighbour inner = join("i", 5);
    apply();
    EXPECT_TRUE(reaches(one, "10.9.97.3"));
    EXPECT_TRUE(reaches(one, "fd09:97::3"));
    EXPECT_TRUE(reaches(one, "203.0.113.2"));
    EXPECT_TRUE(reaches(one, "2001:db8::2"));
    EXPECT_FALSE(reaches(one, "10.9.98.4"));
    EXPECT_FALSE(reaches(one, "fd09:98::4"));
    EXPECT_FALSE(reaches(one, "10.9.105.5"));
    EXPECT_FALSE(reaches(inner, "203.0.113.2"));
    EXPECT_FALSE(reaches(inner, "10.9.97.3"));
    EXPECT_TRUE(reaches(inner, "10.9.105.1"));
    // A host of the LAN that routes around NAT.
    lan_->sh("ip route add 10.9.0.0/16 via 203.0.113.1");
    EXPECT_FALSE(reaches(*lan_, "10.9.97.3"));
}

TEST_F(FirewallTest, PublishedPortsAreReachedFromEverywhereButInternalNetworks) {
    const Neighbour web =
        join("a", 2,
             {{ip("0.0.0.0"), 8080, 0, 80, Protocol::tcp}, {ip("::"), 8080, 0, 80, Protocol::tcp}});
    const Neighbour sibling = join("a", 3);
    const Neighbour other = join("b", 4);
    const Neighbour inner = join("i", 5);
    apply();
    const Process server = serve(web);
    // The source stays what it was, by both families.
    EXPECT_EQ(lan_->sh(ask("203.0.113.1", 8080)), "203.0.113.2");
    EXPECT_EQ(lan_->sh(ask("2001:db8::1", 8080)), "2001:db8::2");
    // From the host itself, from its own network, from another network.
    EXPECT_EQ(sh(ask("203.0.113.1", 8080)), "203.0.113.1");
    EXPECT_EQ(sibling.sh(ask("203.0.113.1", 8080)), "10.9.97.1");
    EXPECT_EQ(sibling.sh(ask("10.9.97.1", 8080)), "10.9.97.1");
    // From itself: refused by the host's port, for there is no Ports in this test.
    EXPECT_EQ(web.sh(ask("203.0.113.1", 8080) + " 2>&1 | grep -o refused || true"), "refused\n");
    EXPECT_TRUE(other.works(ask("203.0.113.1", 8080)));
    EXPECT_FALSE(inner.works(ask("203.0.113.1", 8080)));
    // Nothing else of it.
    EXPECT_FALSE(lan_->works(ask("203.0.113.1", 80)));
}

TEST_F(FirewallTest, ConnectionsGoOnWhileTheRulesAreReplacedAndNoRuleIsThereTwice) {
    const Neighbour web = join("a", 2, {{ip("0.0.0.0"), 8080, 0, 80, Protocol::tcp}});
    apply();
    const std::string once = sh("nft list ruleset");
    const Process echo = web.start(python(R"(
import socket
s = socket.create_server(("0.0.0.0", 80))
while True:
    c, a = s.accept()
    while d := c.recv(99): c.sendall(d)
)"));
    Process talk = lan_->start(python(R"(
import socket, time
for i in range(50):
    try: c = socket.create_connection(("203.0.113.1", 8080), 5); break
    except OSError: time.sleep(0.1)
for i in range(100):
    c.sendall(b"x"); assert c.recv(1) == b"x"; time.sleep(0.01)
)"));
    for (int i = 0; i < 10; ++i) apply();
    // The next daemon.
    firewall_ = open_firewall("t1").value();
    apply();
    EXPECT_TRUE(talk.wait().value()->success());
    EXPECT_EQ(sh("nft list ruleset"), once);
}

TEST_F(FirewallTest, RulesThatOthersFlushComeBack) {
    const Neighbour one = join("a", 2);
    apply();
    const std::string before = sh("nft list ruleset");
    for (const char* line : {"nft flush ruleset", "nft flush chain inet hako_t1 forward",
                             "nft add rule inet hako_t1 forward drop"}) {
        sh(line);
        bool back = false;
        for (int i = 0; i < 500 && !back; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            back = sh("nft list ruleset") == before;
        }
        EXPECT_TRUE(back) << line;
    }
    ASSERT_TRUE(firewall_->remove());
    ASSERT_TRUE(firewall_->remove());
    EXPECT_EQ(sh("nft list ruleset"), "");
}

TEST_F(FirewallTest, WithoutNetworksThereAreNoTables) {
    apply();
    EXPECT_NE(sh("nft list tables"), "");
    ASSERT_TRUE(firewall_->apply({}));
    EXPECT_EQ(sh("nft list tables"), "");
    apply();
    EXPECT_NE(sh("nft list tables"), "");
}

TEST_F(FirewallTest, WorksBesideAForwardChainThatDrops) {
    if (!works("iptables -S")) GTEST_SKIP() << "needs iptables";
    const Neighbour one = join("a", 2);
    sh("iptables -P FORWARD DROP");
    EXPECT_FALSE(reaches(one, "203.0.113.2"));
    apply();
    apply();
    EXPECT_TRUE(reaches(one, "203.0.113.2"));
    EXPECT_EQ(sh("iptables -S | grep -c 'hk-a.*hako_t1'"), "2\n");
    ASSERT_TRUE(firewall_->remove());
    EXPECT_FALSE(works("iptables -S | grep hako_t1"));
}

TEST_F(FirewallTest, WithoutIccContainersReachOnlyTheOutside) {
    state_.networks.front().icc = false;
    const Neighbour one = join("a", 2);
    const Neighbour two = join("a", 3);
    apply();
    EXPECT_FALSE(reaches(one, "10.9.97.3"));
    EXPECT_TRUE(reaches(one, "203.0.113.2"));
}

TEST_F(FirewallTest, IptablesThatBeginsToDropLaterIsToldToo) {
    if (!works("iptables --version | grep nf_tables")) GTEST_SKIP() << "needs iptables-nft";
    const Neighbour one = join("a", 2);
    apply();
    EXPECT_TRUE(reaches(one, "203.0.113.2"));
    sh("iptables -P FORWARD DROP");
    bool passes = false;
    for (int i = 0; i < 30 && !passes; ++i) passes = reaches(one, "203.0.113.2");
    EXPECT_TRUE(passes);
}

TEST_F(FirewallTest, AChangeIsOneCallOfNftWhateverOthersDo) {
    std::vector<Neighbour> containers;
    containers.push_back(join("a", 2));
    apply();
    const TempDir folder = TempDir::create().value();
    const auto calls = folder.path() / "calls";
    const auto program = folder.path() / "nft";
    ASSERT_TRUE(write_file(
        program, fmt::format("#!/bin/sh\necho call >> {}\nPATH=${{PATH#*:}}\nexec nft \"$@\"\n",
                             calls.string())));
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const std::string path = ::getenv("PATH");
    ::setenv("PATH", fmt::format("{}:{}", folder.path().string(), path).c_str(), 1);
    for (int i = 0; i < 5; ++i) {
        containers.push_back(join("a", 3 + i));
        apply();
        sh(fmt::format("PATH='{}'; nft add table inet other; nft delete table inet other", path));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::setenv("PATH", path.c_str(), 1);
    EXPECT_EQ(sh("wc -l < " + calls.string()), "5\n");
}

TEST_F(FirewallTest, WhatComesAndGoesLeavesTheRulesOfTheWhole) {
    state_.networks[1].icc = false;
    std::vector<Endpoint> all;
    for (unsigned number = 2; number < 10; ++number) {
        const NetworkConfig& network = state_.networks[number % 3];
        Endpoint endpoint{.container = fmt::format("c{}", number), .network = network.id};
        endpoint.v4 = network.v4->subnet.address.plus(number);
        endpoint.mac = Mac::of(*endpoint.v4);
        endpoint.tap = fmt::format("hkt{}", number);
        if (number % 4 == 0)
            endpoint.ports = {{ip("0.0.0.0"), std::uint16_t(8000 + number), 0, 80, Protocol::tcp}};
        all.push_back(endpoint);
    }
    std::minstd_rand random(1);
    for (int step = 0; step < 20; ++step) {
        state_.endpoints.clear();
        std::ranges::shuffle(all, random);
        const auto count = random() % (all.size() + 1);
        std::ranges::copy(all | std::views::take(count), std::back_inserter(state_.endpoints));
        apply();
        const auto anew = open_firewall("t2").value();
        ASSERT_TRUE(anew->apply(state_));
        EXPECT_EQ(rules_of("t1"), rules_of("t2")) << "step " << step;
        ASSERT_TRUE(anew->remove());
    }
}

// What the second container sees when the first sends this frame, after one that is allowed.
class Spoofing : public FirewallTest {
protected:
    void SetUp() override {
        FirewallTest::SetUp();
        if (IsSkipped()) return;
        evil_.emplace(join("a", 2));
        victim_.emplace(join("a", 3));
        apply();
    }

    // frame: Python, with helpers to build packets. True when it reached the other guest.
    bool arrives(const std::string& frame, int times = 1) {
        Process sniffer = victim_->start(python(R"(
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0)); s.settimeout(20); open("/tmp/hako-sniff-)" +
                                                std::to_string(::getpid()) + R"(", "w")
seen = 0
while True:
    d = s.recv(2000)
    if b"THE-END" in d: break
    seen += b"MARK" in d
sys.exit(0 if seen else 1)
)"));
        const std::string ready = "/tmp/hako-sniff-" + std::to_string(::getpid());
        while (!std::filesystem::exists(ready))
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::filesystem::remove(ready);
        const std::string send = python(R"(
import socket, struct
A, B = socket.inet_aton, lambda t: socket.inet_pton(socket.AF_INET6, t)
ME, YOU = bytes.fromhex("02420a096102"), bytes.fromhex("02420a096103")
ALL = b"\xff" * 6
def eth(kind, data, src=ME, dst=ALL): return dst + src + struct.pack(">H", kind) + data
def arp(mac, ip): return struct.pack(">HHBBH", 1, 0x800, 6, 4, 2) + mac + A(ip) + YOU + A("10.9.97.3") + b"MARK"
def ip4(src, proto, data):
    h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, 64, proto, 0) + A(src) + A("10.9.97.3")
    s = sum(struct.unpack(">10H", h)); s = (s >> 16) + (s & 0xffff); s = ~(s + (s >> 16)) & 0xffff
    return h[:10] + struct.pack(">H", s) + h[12:] + data
def udp(sport, dport, data): return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
def ip6(src, proto, data): return struct.pack(">IHBB", 0x60000000, len(data), proto, 255) + B(src) + B("ff02::1") + data
def icmp6(kind, data): return struct.pack(">BBHI", kind, 0, 0, 0) + data
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
for i in range()" + std::to_string(times) +
                                        "): s.send(" + frame + R"()
s.send(eth(0x800, ip4("10.9.97.2", 17, udp(1000, 1000, b"THE-END"))))
)");
        EXPECT_TRUE(evil_->works(send)) << frame;
        return sniffer.wait().value()->success();
    }

    std::optional<Neighbour> evil_;
    std::optional<Neighbour> victim_;
};

TEST_F(Spoofing, OwnAddressesPass) {
    EXPECT_TRUE(arrives(R"(eth(0x800, ip4("10.9.97.2", 17, udp(1000, 53, b"MARK"))))"));
    EXPECT_TRUE(arrives(R"(eth(0x806, arp(ME, "10.9.97.2")))"));
    EXPECT_TRUE(arrives(R"(eth(0x86dd, ip6("fd09:97::2", 17, udp(1000, 53, b"MARK"))))"));
    EXPECT_TRUE(arrives(R"(eth(0x86dd, ip6("fe80::42:aff:fe09:6102", 58,
        icmp6(136, B("fd09:97::2") + b"MARK"))))"));
}

TEST_F(Spoofing, AnothersMacAndAddressesAreDropped) {
    EXPECT_FALSE(arrives(R"(eth(0x800, ip4("10.9.97.2", 17, udp(1, 2, b"MARK")), src=YOU))"));
    EXPECT_FALSE(arrives(R"(eth(0x800, ip4("10.9.97.3", 17, udp(1, 2, b"MARK"))))"));
    EXPECT_FALSE(arrives(R"(eth(0x86dd, ip6("fd09:97::3", 17, udp(1, 2, b"MARK"))))"));
    EXPECT_FALSE(arrives(R"(eth(0x806, arp(ME, "10.9.97.1")))"));
    EXPECT_FALSE(arrives(R"(eth(0x806, arp(YOU, "10.9.97.2")))"));
    EXPECT_FALSE(arrives(R"(eth(0x86dd, ip6("fe80::42:aff:fe09:6102", 58,
        icmp6(136, B("fd09:97::1") + b"MARK"))))"));
    EXPECT_FALSE(arrives(R"(eth(0x88cc, b"MARK" * 20))"));
}

TEST_F(Spoofing, RogueDhcpAndRouterAdvertisementsAreDropped) {
    EXPECT_FALSE(arrives(R"(eth(0x800, ip4("10.9.97.2", 17, udp(67, 68, b"MARK"))))"));
    EXPECT_FALSE(
        arrives(R"(eth(0x86dd, ip6("fe80::42:aff:fe09:6102", 17, udp(547, 546, b"MARK"))))"));
    EXPECT_FALSE(
        arrives(R"(eth(0x86dd, ip6("fe80::42:aff:fe09:6102", 58, icmp6(134, b"MARK" * 4))))"));
    EXPECT_FALSE(
        arrives(R"(eth(0x86dd, ip6("fe80::42:aff:fe09:6102", 58, icmp6(137, b"MARK" * 8))))"));
}

TEST_F(Spoofing, AnArpFloodIsCutAndTheGuestStaysReachable) {
    EXPECT_TRUE(arrives(R"(eth(0x806, arp(ME, "10.9.97.2")))", 20000));
    const Json link = parse_json(victim_->sh("ip -j -s link show eth0")).value().at(0);
    EXPECT_LT(link.at("stats64").at("rx").at("packets").get<int>(), 20000);
    EXPECT_TRUE(reaches(*victim_, "10.9.97.1"));
}

}  // namespace
}  // namespace hako::network
