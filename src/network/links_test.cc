#include "network/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/tap.h"
#include "network/test_namespace.h"

namespace hako::network {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class Links : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (!IsSkipped()) host_ = open_host_network("t1").value();
    }

    static BridgeSpec bridge(std::string name = "hk-a") {
        return {std::move(name),
                {Cidr::parse("10.9.0.1/24").value(), Cidr::parse("fd09::1/64").value()},
                1400};
    }

    std::unique_ptr<HostNetwork> host_;
};

TEST_F(Links, MakesABridgeAndBringsItBackToWhatItShouldBe) {
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    const std::string first = sh("ip -o addr show hk-a; ip -o -d link show hk-a");
    EXPECT_THAT(first, HasSubstr("10.9.0.1/24"));
    EXPECT_THAT(first, HasSubstr("fd09::1/64"));
    EXPECT_THAT(first, Not(HasSubstr("tentative")));
    EXPECT_THAT(first, HasSubstr("mtu 1400"));
    EXPECT_THAT(first, HasSubstr("UP"));

    sh("ip link set hk-a down; ip addr flush hk-a; ip addr add 10.8.0.1/24 dev hk-a;"
       "ip link set hk-a mtu 1500");
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    const std::string again = sh("ip -o addr show hk-a; ip -o link show hk-a");
    EXPECT_THAT(again, HasSubstr("10.9.0.1/24"));
    EXPECT_THAT(again, HasSubstr("fd09::1/64"));
    EXPECT_THAT(again, Not(HasSubstr("10.8.0.1")));
    EXPECT_THAT(again, HasSubstr("mtu 1400"));
    EXPECT_THAT(again, HasSubstr("UP"));
}

TEST_F(Links, ABridgeWithoutIpv6HasNone) {
    ASSERT_TRUE(host_->ensure_bridge({"hk-a", {Cidr::parse("10.9.0.1/24").value()}, 1500}));
    EXPECT_EQ(sh("cat /proc/sys/net/ipv6/conf/hk-a/disable_ipv6"), "1\n");
}

TEST_F(Links, ATapStaysAndIsOpenedByOneAtATime) {
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    ASSERT_TRUE(host_->ensure_tap({"hkt1", "hk-a", 1400}));
    ASSERT_TRUE(host_->ensure_tap({"hkt1", "hk-a", 1400}));
    EXPECT_THAT(sh("ip -o link show hkt1"), HasSubstr("master hk-a"));
    {
        const auto first = open_tap("hkt1");
        ASSERT_TRUE(first) << first.error().message();
        EXPECT_THAT(sh("ip -o link show hkt1"), HasSubstr("LOWER_UP"));
        const auto second = open_tap("hkt1");
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().kind(), ErrorKind::conflict);
    }
    EXPECT_TRUE(open_tap("hkt1"));
    EXPECT_EQ(open_tap("hkt2").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(host_->ensure_tap({"hkt2", "hk-z", 1500}).error().kind(), ErrorKind::not_found);
    EXPECT_FALSE(works("ip link show hkt2"));
}

TEST_F(Links, ATapThatWaitedBecomesAnotherAndGoesWithItsDescriptor) {
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    {
        const auto held = attach_tap("hkt1");
        ASSERT_TRUE(held) << held.error().message();
        // Somebody else's recovery leaves it alone.
        ASSERT_TRUE(host_->recover({"hk-a"}));
        const auto became = host_->ensure_tap({"hkt2", "hk-a", 1400, "hkt1"});
        ASSERT_TRUE(became) << became.error().message();
        const std::string shown = sh("ip -o link show hkt2");
        EXPECT_THAT(shown, HasSubstr("master hk-a"));
        EXPECT_THAT(shown, HasSubstr("mtu 1400"));
        EXPECT_THAT(shown, HasSubstr("LOWER_UP"));
        EXPECT_EQ(sh("cat /proc/sys/net/ipv6/conf/hkt2/disable_ipv6"), "1\n");
        EXPECT_FALSE(works("ip link show hkt1"));
        EXPECT_THAT(host_->links().value(), UnorderedElementsAre("hk-a", "hkt2"));
        // The next daemon's recovery.
        EXPECT_TRUE(host_->ensure_tap({"hkt2", "hk-a", 1400}));
    }
    EXPECT_FALSE(works("ip link show hkt2"));
    EXPECT_EQ(host_->ensure_tap({"hkt2", "hk-a", 1400, "hkt1"}).error().kind(),
              ErrorKind::not_found);
}

TEST_F(Links, ATapWaitsAgainAndIsAnothersNext) {
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    ASSERT_TRUE(host_->ensure_tap({"hkt1", "hk-a", 1400}));
    {
        const auto held = open_tap("hkt1");
        ASSERT_TRUE(held) << held.error().message();
        release_tap(*held);
        for (int round = 0; round < 2; ++round) {
            const auto waits = host_->let_wait("hkt1", "hktw");
            ASSERT_TRUE(waits) << waits.error().message();
            EXPECT_TRUE(host_->let_wait("hkt1", "hktw"));
            const std::string shown = sh("ip -o -d link show hktw");
            EXPECT_THAT(shown, Not(HasSubstr("master")));
            EXPECT_THAT(shown, Not(HasSubstr("alias")));
            EXPECT_THAT(shown, HasSubstr("state DOWN"));
            EXPECT_FALSE(works("ip link show hkt1"));
            // A daemon that starts leaves it alone.
            ASSERT_TRUE(host_->recover({"hk-a"}));
            ASSERT_TRUE(host_->ensure_tap({"hkt1", "hk-a", 1400, "hktw"}));
            EXPECT_THAT(sh("ip -o link show hkt1"), HasSubstr("master hk-a"));
            EXPECT_THAT(sh("ip -o link show hkt1"), HasSubstr("LOWER_UP"));
        }
        ASSERT_TRUE(host_->let_wait("hkt1", "hktw"));
    }
    EXPECT_FALSE(works("ip link show hktw"));
    EXPECT_FALSE(works("ip link show hkt1"));
}

TEST_F(Links, ATapThatWaitedReplacesOneThatACrashLeft) {
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    ASSERT_TRUE(host_->ensure_tap({"hkt2", "hk-a", 1500}));
    const auto held = attach_tap("hkt1");
    ASSERT_TRUE(host_->ensure_tap({"hkt2", "hk-a", 1400, "hkt1"}));
    EXPECT_THAT(sh("ip -o link show hkt2"), HasSubstr("mtu 1400"));
}

TEST_F(Links, RemovesOnlyWhatIsOurs) {
    sh("ip link add br0 type bridge");
    const auto refused = host_->ensure_bridge(bridge("br0"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("br0"));
    EXPECT_FALSE(host_->remove_link("br0"));
    EXPECT_TRUE(works("ip link show br0"));

    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    EXPECT_TRUE(host_->remove_link("hk-a"));
    EXPECT_TRUE(host_->remove_link("hk-a"));
    EXPECT_FALSE(works("ip link show hk-a"));
}

TEST_F(Links, RecoveryLeavesTheKnownAndOtherDaemonsLinks) {
    const auto other = open_host_network("t2").value();
    ASSERT_TRUE(other->ensure_bridge({"hk-other", {}, 1500}));
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    ASSERT_TRUE(host_->ensure_bridge({"named", {}, 1500}));
    ASSERT_TRUE(host_->ensure_tap({"hkt1", "hk-a", 1500}));
    ASSERT_TRUE(host_->ensure_tap({"hkt2", "hk-a", 1500}));
    ASSERT_TRUE(open_host_network("t1").value()->recover({"hk-a", "hkt1"}));
    EXPECT_THAT(host_->links().value(), UnorderedElementsAre("hk-a", "hkt1"));
    EXPECT_THAT(other->links().value(), UnorderedElementsAre("hk-other"));
    ASSERT_TRUE(host_->recover({}));
    EXPECT_THAT(host_->links().value(), IsEmpty());
}

TEST_F(Links, RoutesAreTheHostsWithoutOurs) {
    sh("ip link add up0 type dummy 2>/dev/null || ip link add up0 type bridge;"
       "ip addr add 172.17.9.5/24 dev up0; ip link set up0 up;"
       "ip route add 10.0.0.0/8 via 172.17.9.1; ip route add default via 172.17.9.1");
    ASSERT_TRUE(host_->ensure_bridge(bridge()));
    const auto routes = host_->routes().value();
    EXPECT_THAT(routes, Contains(Cidr::parse("172.17.9.0/24").value()));
    EXPECT_THAT(routes, Contains(Cidr::parse("10.0.0.0/8").value()));
    EXPECT_THAT(routes, Not(Contains(Cidr::parse("10.9.0.0/24").value())));
    EXPECT_THAT(routes, Not(Contains(Cidr::parse("0.0.0.0/0").value())));
}

TEST_F(Links, ForwardingKeepsRouterAdvertisements) {
    sh("ip link add up0 type bridge; echo 1 > /proc/sys/net/ipv6/conf/up0/accept_ra");
    ASSERT_TRUE(host_->enable_forwarding(Family::v4));
    ASSERT_TRUE(host_->enable_forwarding(Family::v6));
    EXPECT_EQ(sh("cd /proc/sys/net; cat ipv4/ip_forward ipv6/conf/all/forwarding"
                 " ipv6/conf/up0/accept_ra"),
              "1\n1\n2\n");
}

TEST_F(Links, AMacvtapHasItsMacOnTheParent) {
    sh("ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up");
    const Mac mac = Mac::parse("02:42:00:00:00:07").value();
    ASSERT_TRUE(host_->ensure_macvtap({"hkt1", "up0", mac, 1500}));
    ASSERT_TRUE(host_->ensure_macvtap({"hkt1", "up0", mac, 1500}));
    const std::string link = sh("ip -o -d link show hkt1");
    EXPECT_THAT(link, HasSubstr("02:42:00:00:00:07"));
    EXPECT_THAT(link, HasSubstr("macvtap mode bridge"));
    EXPECT_THAT(link, HasSubstr("hkt1@up0"));
    const auto missing = host_->ensure_macvtap({"hkt2", "up9", mac, 1500});
    EXPECT_THAT(missing.error().message(), HasSubstr("up9"));
    ASSERT_TRUE(host_->remove_link("hkt1"));
}

}  // namespace
}  // namespace hako::network
