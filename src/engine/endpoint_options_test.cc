#include "engine/endpoint_options.h"

#include <gmock/gmock.h>

namespace hako::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Attachment with(const std::string& option, const std::string& value) {
    Attachment attachment{.network_id = "id", .network_name = "net"};
    attachment.wanted.driver_options["com.docker.network.endpoint." + option] = value;
    return attachment;
}

TEST(EndpointOptionsTest, AnInterfaceIsCalledAsItAsks) {
    const auto wan = with("ifname", "wan0.1");
    EXPECT_TRUE(check_endpoint_options(wan, {}));
    EXPECT_EQ(interface_name(wan, {}), "wan0.1");
    EXPECT_EQ(interface_name({}, {wan}), "eth0");
    EXPECT_EQ(interface_name({}, {with("ifname", "eth0")}), "eth1");
}

TEST(EndpointOptionsTest, ANameIsOneThatLinuxTakesAndIsThereOnce) {
    for (const auto* name : {"lo", ".", "..", "a/b", "a b", "a:1", "sixteen-letters."})
        EXPECT_THAT(check_endpoint_options(with("ifname", name), {}).error().message(),
                    HasSubstr("cannot be the name of an interface"))
            << name;
    const auto lan = with("ifname", "lan");
    EXPECT_THAT(check_endpoint_options(lan, {lan}).error().message(),
                HasSubstr("network net is called lan, too"));
    Attachment running{.network_id = "id", .network_name = "net", .interface = "eth0"};
    EXPECT_FALSE(check_endpoint_options(with("ifname", "eth0"), {running}));
}

TEST(EndpointOptionsTest, SettingsAreOfTheInterface) {
    auto set = with("sysctls",
                    "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.IFNAME.mcast_solicit=4");
    EXPECT_TRUE(check_endpoint_options(set, {}));
    set.interface = "wan0.1";
    EXPECT_THAT(interface_sysctls(set),
                ElementsAre(Pair("net/ipv4/conf/wan0.1/log_martians", "1"),
                            Pair("net/ipv6/neigh/wan0.1/mcast_solicit", "4")));
    for (const auto* text :
         {"net.ipv4.conf.IFNAME.log_martians", "net.ipv4.conf.eth0.log_martians=1", "=",
          "kernel.x=1", "net.ipv4.ip_forward=1", "net.ipv4..IFNAME.x=1",
          "net.ipv4/../x.conf.IFNAME.y=1"}) {
        EXPECT_THAT(check_endpoint_options(with("sysctls", text), {}).error().message(),
                    HasSubstr("is no setting of an interface"))
            << text;
        EXPECT_THAT(interface_sysctls(with("sysctls", text)), IsEmpty());
    }
}

TEST(EndpointOptionsTest, OfOtherDriversMeanNothing) {
    EXPECT_TRUE(check_endpoint_options(with("else", "?"), {}));
}

}  // namespace
}  // namespace hako::engine
