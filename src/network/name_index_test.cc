#include "network/name_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "network/resolv_conf.h"

namespace hako::network {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Address ip(std::string_view text) { return Address::parse(text).value(); }

NameIndex index() {
    NetworkConfig front{.id = "f", .name = "front", .bridge = "hk-f"};
    front.v4 = Subnet{Cidr::parse("10.1.0.0/24").value(), ip("10.1.0.1"), {}};
    front.v6 = Subnet{Cidr::parse("fd01::/64").value(), ip("fd01::1"), {}};
    NetworkConfig back{.id = "b", .name = "back", .bridge = "hk-b", .internal = true};
    back.v4 = Subnet{Cidr::parse("10.2.0.0/24").value(), ip("10.2.0.1"), {}};
    const auto endpoint = [](std::string container, std::string network, std::string name,
                             std::vector<std::string> aliases, std::string_view v4) {
        return Endpoint{std::move(container), std::move(network), std::move(name),
                        std::move(aliases), ip(v4)};
    };
    Endpoint web = endpoint("0123456789abcdef", "f", "Web", {"www"}, "10.1.0.2");
    web.v6 = ip("fd01::2");
    return NameIndex(
        name_table({front, back}, {web, endpoint("app1", "f", "app_1", {"app"}, "10.1.0.3"),
                                   endpoint("app2", "f", "app_2", {"app"}, "10.1.0.4"),
                                   endpoint("app1", "b", "app_1", {}, "10.2.0.3"),
                                   endpoint("db", "b", "db", {}, "10.2.0.4")}));
}

TEST(NameIndex, ALinkIsANameForOneClient) {
    NameTable table = index().table();
    for (NamedHost& host : table.at("f").hosts)
        if (host.container == "app1") host.links = {{"site", "web"}, {"store", "db"}};
    for (NamedHost& host : table.at("b").hosts)
        if (host.container == "app1") host.links = {{"site", "web"}, {"store", "db"}};
    const NameIndex names(std::move(table));
    EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), "site").value(),
                ElementsAre(ip("10.1.0.2"), ip("fd01::2")));
    EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), "store").value(), ElementsAre(ip("10.2.0.4")))
        << "on another one of its networks";
    EXPECT_FALSE(names.addresses("f", ip("10.1.0.4"), "site")) << "others have no such link";
}

TEST(NameIndex, KnowsNamesAliasesAndShortIds) {
    const NameIndex names = index();
    for (const char* name : {"web", "www", "0123456789ab"})
        EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), name).value(),
                    ElementsAre(ip("10.1.0.2"), ip("fd01::2")));
    EXPECT_FALSE(names.addresses("f", ip("10.1.0.3"), "nobody"));
    EXPECT_EQ(names.name_of("f", ip("10.1.0.3"), ip("fd01::2")), "web.front");
    EXPECT_FALSE(names.name_of("f", ip("10.1.0.3"), ip("10.1.0.9")));
}

TEST(NameIndex, KnowsNamesWithTheirNetworksBehindThem) {
    const NameIndex names = index();
    EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), "www.front").value(),
                ElementsAre(ip("10.1.0.2"), ip("fd01::2")));
    EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), "db.back").value(),
                ElementsAre(ip("10.2.0.4")));
    for (const char* name : {"www.back", "db.front", "nobody.front", ".front", "front"})
        EXPECT_FALSE(names.addresses("f", ip("10.1.0.3"), name)) << name;
    EXPECT_FALSE(names.addresses("f", ip("10.1.0.2"), "db.back"))
        << "of a network that it is not on";
}

TEST(NameIndex, GoesRoundRobin) {
    const NameIndex names = index();
    const auto first = names.addresses("f", ip("10.1.0.2"), "app").value();
    const auto second = names.addresses("f", ip("10.1.0.2"), "app").value();
    ASSERT_EQ(first.size(), 2U);
    EXPECT_EQ(first[0], second[1]);
    EXPECT_EQ(first[1], second[0]);
}

TEST(NameIndex, AContainerSeesAllOfItsNetworksAndNoOthers) {
    const NameIndex names = index();
    EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), "db").value(), ElementsAre(ip("10.2.0.4")));
    EXPECT_FALSE(names.addresses("f", ip("10.1.0.2"), "db"));
    EXPECT_EQ(names.name_of("f", ip("10.1.0.3"), ip("10.2.0.4")), "db.back");
    // Only who is on an internal network alone is not answered with outside names.
    EXPECT_TRUE(names.forwards("b", ip("10.2.0.3")));
    EXPECT_FALSE(names.forwards("b", ip("10.2.0.4")));
}

TEST(NameIndex, TheHostIsTheGatewayOfTheNetworkThatAsks) {
    const NameIndex names = index();
    for (const char* name : {"host.docker.internal", "host.hako.internal"})
        EXPECT_THAT(names.addresses("f", ip("10.1.0.3"), name).value(),
                    ElementsAre(ip("10.1.0.1"), ip("fd01::1")));
}

TEST(ResolvConf, TakesNameserversAndPassesOverTheRest) {
    EXPECT_THAT(parse_resolv_conf("# nameserver 1.1.1.1\nsearch a b\nnameserver 9.9.9.9\n"
                                  "nameserver\tfd00::53\nnameserver fe80::1%eth0\nnameserver x\n"),
                ElementsAre(ip("9.9.9.9"), ip("fd00::53")));
    EXPECT_THAT(parse_resolv_conf(""), IsEmpty());
}

TEST(ResolvConf, PrefersWhatStandsBehindTheStub) {
    const TempDir folder = TempDir::create().value();
    const auto first = folder.path() / "resolv.conf";
    const auto second = folder.path() / "systemd.conf";
    const auto read = [&] { return HostResolvers(first, second).get(); };
    EXPECT_THAT(read(), IsEmpty());
    ASSERT_TRUE(write_file(first, "nameserver 127.0.0.53\n"));
    EXPECT_THAT(read(), ElementsAre(ip("127.0.0.53")));
    ASSERT_TRUE(write_file(second, "nameserver 9.9.9.9\n"));
    EXPECT_THAT(read(), ElementsAre(ip("9.9.9.9")));
    ASSERT_TRUE(write_file(first, "nameserver 1.1.1.1\n"));
    EXPECT_THAT(read(), ElementsAre(ip("1.1.1.1")));
}

}  // namespace
}  // namespace hako::network
