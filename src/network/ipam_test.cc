#include "network/ipam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::network {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Address ip(std::string_view text) { return Address::parse(text).value(); }
Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }

SubnetRequest asking_for(std::string_view subnet) {
    return {cidr(subnet).family(), cidr(subnet), {}, {}, {}};
}

NetworkConfig config(std::string id, Subnet subnet) {
    NetworkConfig network{id, "net-" + id};
    (subnet.subnet.family() == Family::v4 ? network.v4 : network.v6) = std::move(subnet);
    return network;
}

// Chooses a subnet and records it.
Result<Subnet> add(Ipam& ipam, const std::string& id, const SubnetRequest& request,
                   std::vector<Cidr> routes = {}) {
    HAKO_TRY(Subnet subnet, ipam.choose_subnet(request, routes));
    ipam.add_network(config(id, subnet));
    return subnet;
}

TEST(Ipam, TakesDockersPoolsInOrder) {
    Ipam ipam;
    const auto first = add(ipam, "a", {}).value();
    EXPECT_EQ(to_string(first.subnet), "172.17.0.0/16");
    EXPECT_EQ(to_string(first.gateway), "172.17.0.1");
    EXPECT_EQ(to_string(add(ipam, "b", {}).value().subnet), "172.18.0.0/16");
    ipam.remove_network("a");
    EXPECT_EQ(to_string(add(ipam, "c", {}).value().subnet), "172.17.0.0/16");
}

TEST(Ipam, LeavesWhatTheHostReaches) {
    Ipam ipam;
    const std::vector<Cidr> routes{cidr("172.17.4.0/24"), cidr("172.18.0.0/15")};
    EXPECT_EQ(to_string(add(ipam, "a", {}, routes).value().subnet), "172.20.0.0/16");
    const auto refused = ipam.choose_subnet(asking_for("172.17.0.0/16"), routes);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("172.17.4.0/24"));
}

TEST(Ipam, HasRoomForTwoHundredNetworksThenIsExhausted) {
    Ipam many;
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(add(many, std::to_string(i), {})) << i;

    Ipam few({{cidr("10.0.0.0/30"), 31}}, {});
    ASSERT_TRUE(few.choose_subnet({}, {}));
    few.add_network(config("a", {cidr("10.0.0.0/31"), ip("10.0.0.0"), {}}));
    few.add_network(config("b", {cidr("10.0.0.2/31"), ip("10.0.0.2"), {}}));
    const auto none = few.choose_subnet({}, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind(), ErrorKind::exhausted);
    EXPECT_THAT(none.error().message(), HasSubstr("--subnet"));
}

TEST(Ipam, RefusesAnOverlappingSubnetAndNamesTheOther) {
    Ipam ipam;
    ASSERT_TRUE(add(ipam, "a", asking_for("10.5.0.0/16")));
    for (const char* text : {"10.5.0.0/16", "10.5.7.0/24", "10.0.0.0/8"}) {
        const auto refused = ipam.choose_subnet(asking_for(text), {});
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
        EXPECT_THAT(refused.error().message(),
                    AllOf(HasSubstr("net-a"), HasSubstr("10.5.0.0/16"), HasSubstr(text)));
    }
}

TEST(Ipam, ChecksWhatAUserSaysOfASubnet) {
    const Ipam ipam;
    const auto message = [&](SubnetRequest request) {
        const auto subnet = ipam.choose_subnet(request, {});
        return subnet ? "accepted" : subnet.error().message();
    };
    SubnetRequest request = asking_for("10.5.0.0/24");
    request.gateway = ip("10.6.0.1");
    EXPECT_THAT(message(request), HasSubstr("gateway 10.6.0.1"));
    request.gateway = ip("10.5.0.255");
    EXPECT_THAT(message(request), HasSubstr("gateway 10.5.0.255"));
    request.gateway = ip("10.5.0.254");
    request.ip_range = cidr("10.5.1.0/25");
    EXPECT_THAT(message(request), HasSubstr("ip-range 10.5.1.0/25"));
    request.ip_range = cidr("10.5.0.128/25");
    request.auxiliary = {{"router", ip("10.7.0.1")}};
    EXPECT_THAT(message(request), HasSubstr("router 10.7.0.1"));
    EXPECT_THAT(message(asking_for("10.5.0.1/24")), HasSubstr("write 10.5.0.0/24"));
    EXPECT_THAT(message(asking_for("10.5.0.0/31")), HasSubstr("too small"));
    EXPECT_THAT(message(asking_for("127.0.0.0/16")), HasSubstr("private"));
    SubnetRequest without;
    without.gateway = ip("10.5.0.1");
    EXPECT_THAT(message(without), HasSubstr("--subnet"));
}

TEST(Ipam, GivesAddressesInOrderAndNotTheLastOneAgain) {
    Ipam ipam;
    ASSERT_TRUE(add(ipam, "a", {}));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c1"), ip("172.17.0.2"));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c2"), ip("172.17.0.3"));
    ipam.release("a", ip("172.17.0.3"));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c3"), ip("172.17.0.4"));
    ipam.release("a", ip("172.17.0.1"));  // the gateway's is not given up
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c4", ip("172.17.0.1")).error().kind(),
              ErrorKind::conflict);
}

TEST(Ipam, NamesTheHolderOfAnAddressThatIsTaken) {
    Ipam ipam;
    ASSERT_TRUE(add(ipam, "a", asking_for("10.5.0.0/29")));
    ASSERT_TRUE(ipam.allocate("a", Family::v4, "web", ip("10.5.0.5")));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "web", ip("10.5.0.5")), ip("10.5.0.5"));
    const auto taken = ipam.allocate("a", Family::v4, "db", ip("10.5.0.5"));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(taken.error().message(), AllOf(HasSubstr("10.5.0.5"), HasSubstr("web")));
    for (const char* text : {"10.5.0.0", "10.5.0.7", "10.6.0.1"})
        EXPECT_EQ(ipam.allocate("a", Family::v4, "db", ip(text)).error().kind(),
                  ErrorKind::invalid);
    EXPECT_EQ(ipam.allocate("a", Family::v6, "db").error().kind(), ErrorKind::invalid);
}

TEST(Ipam, RunsOutAndGoesAround) {
    Ipam ipam;
    SubnetRequest request = asking_for("10.5.0.0/16");
    request.ip_range = cidr("10.5.3.0/30");
    ASSERT_EQ(add(ipam, "a", request).value().gateway, ip("10.5.3.0"));
    for (const char* text : {"10.5.3.1", "10.5.3.2", "10.5.3.3"})
        EXPECT_EQ(ipam.allocate("a", Family::v4, "c"), ip(text));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c").error().kind(), ErrorKind::exhausted);
    ipam.release("a", ip("10.5.3.2"));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c"), ip("10.5.3.2"));
    // A static address may be outside of the range.
    EXPECT_EQ(ipam.allocate("a", Family::v4, "c", ip("10.5.9.9")), ip("10.5.9.9"));
}

TEST(Ipam, KnowsEndpointsFromBeforeARestart) {
    Ipam ipam;
    ASSERT_TRUE(add(ipam, "a", {}));
    const Endpoint web{.container = "web", .network = "a", .v4 = ip("172.17.0.2")};
    ASSERT_TRUE(ipam.restore(web));
    EXPECT_EQ(ipam.allocate("a", Family::v4, "db"), ip("172.17.0.3"));
    EXPECT_EQ(
        ipam.restore({.container = "x", .network = "a", .v4 = ip("172.17.0.3")}).error().kind(),
        ErrorKind::conflict);
    ipam.release(web);
    EXPECT_TRUE(ipam.allocate("a", Family::v4, "x", ip("172.17.0.2")));
}

TEST(Ipam, GivesUniqueLocalSubnetsOfIpv6) {
    Ipam ipam;
    const auto subnet = add(ipam, "a", {Family::v6}).value();
    EXPECT_EQ(subnet.subnet.prefix, 64);
    EXPECT_EQ(subnet.subnet.address.bytes()[0], 0xfd);
    EXPECT_EQ(subnet.gateway, subnet.subnet.address.plus(1));
    EXPECT_EQ(ipam.allocate("a", Family::v6, "c"), *subnet.subnet.address.plus(2));
    EXPECT_NE(ula_pools("one").front().base, ula_pools("two").front().base);
}

TEST(Types, NamesOfLinksFitTheKernel) {
    const std::string id(64, 'a');
    EXPECT_EQ(bridge_name(id), "hk-aaaaaaaaaaaa");
    EXPECT_EQ(tap_name(id, "b").size(), 15U);
    EXPECT_NE(tap_name(id, "b"), tap_name(id, "c"));
}

}  // namespace
}  // namespace hako::network
