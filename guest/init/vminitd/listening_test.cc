#include "init/vminitd/listening.h"

#include <gmock/gmock.h>

#include "base/fd.h"

namespace hako::init {
namespace {

TEST(Listening, IsWhatWaitsForOthers) {
    const auto net = TempDir::create().value();
    const auto table = [&](const char* name, const std::string& lines) {
        ASSERT_TRUE(
            write_file(net.path() / name, "  sl  local_address rem_address   st\n" + lines));
    };
    table("tcp",
          "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n"    // 0.0.0.0:8080
          "   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000\n"    // 127.0.0.1
          "   2: 020011AC:1F92 0100000A:C000 01 00000000:00000000 00:00000000\n");  // connected
    table("tcp6",
          "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A\n"
          "   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A\n"
          "   2: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A\n");
    table("udp",
          "   0: 00000000:0035 00000000:0000 07\n"
          "   1: 00000000:8001 00000000:0000 07\n"    // a client's
          "   2: 020011AC:0036 0100000A:0035 01\n");  // connected
    EXPECT_THAT(listening_ports(net.path()),
                ::testing::UnorderedElementsAre("8080/tcp", "80/tcp", "53/udp"));
    EXPECT_TRUE(listening_ports("/nowhere").empty());
}

}  // namespace
}  // namespace hako::init
