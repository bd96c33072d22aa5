#include "engine/links.h"

#include <gmock/gmock.h>

namespace hako::engine {
namespace {

using ::testing::ElementsAre;

TEST(Links, TellOfPortsAndVariables) {
    EXPECT_THAT(
        link_variables({.container = "web",
                        .alias = "my-db",
                        .address = "172.17.0.2",
                        .ports = {"5432/udp", "9000/tcp", "5432/tcp"},
                        .env = {"PATH=/bin", "HOME=/root", "PASSWORD=a=b", "EMPTY=", "nothing"}}),
        ElementsAre("MY_DB_PORT=tcp://172.17.0.2:5432", "MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432",
                    "MY_DB_PORT_5432_TCP_ADDR=172.17.0.2", "MY_DB_PORT_5432_TCP_PORT=5432",
                    "MY_DB_PORT_5432_TCP_PROTO=tcp", "MY_DB_PORT_5432_UDP=udp://172.17.0.2:5432",
                    "MY_DB_PORT_5432_UDP_ADDR=172.17.0.2", "MY_DB_PORT_5432_UDP_PORT=5432",
                    "MY_DB_PORT_5432_UDP_PROTO=udp", "MY_DB_PORT_9000_TCP=tcp://172.17.0.2:9000",
                    "MY_DB_PORT_9000_TCP_ADDR=172.17.0.2", "MY_DB_PORT_9000_TCP_PORT=9000",
                    "MY_DB_PORT_9000_TCP_PROTO=tcp", "MY_DB_NAME=/web/my-db",
                    "MY_DB_ENV_PASSWORD=a=b", "MY_DB_ENV_EMPTY="));
    EXPECT_THAT(link_variables({.container = "web", .alias = "db", .address = "172.17.0.2"}),
                ElementsAre("DB_NAME=/web/db"));
}

TEST(Links, TellWherePortsThatFollowEachOtherEnd) {
    const auto variables = link_variables({.container = "web",
                                           .alias = "db",
                                           .address = "172.17.0.2",
                                           .ports = {"82/tcp", "80/tcp", "81/tcp", "90/tcp"}});
    EXPECT_THAT(
        std::vector(variables.begin(), variables.begin() + 5),
        ElementsAre("DB_PORT=tcp://172.17.0.2:80", "DB_PORT_80_TCP_START=tcp://172.17.0.2:80",
                    "DB_PORT_80_TCP_PORT_START=80", "DB_PORT_80_TCP_END=tcp://172.17.0.2:82",
                    "DB_PORT_80_TCP_PORT_END=82"));
    EXPECT_THAT(variables, ::testing::SizeIs(5 + 4 * 4 + 1));
}

}  // namespace
}  // namespace hako::engine
