#include "oci/insecure.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

TEST(Insecure, NamesHostsPortsAndNetworks) {
    const std::vector<std::string> list{"plain.example", "other.example:5000", "10.1.0.0/16",
                                        "[fd00::1]:5000", "fd01::/16"};
    EXPECT_TRUE(is_insecure(list, "plain.example", "443"));
    EXPECT_TRUE(is_insecure(list, "plain.example", "5000"));
    EXPECT_TRUE(is_insecure(list, "other.example", "5000"));
    EXPECT_FALSE(is_insecure(list, "other.example", "443"));
    EXPECT_TRUE(is_insecure(list, "10.1.2.3", "443"));
    EXPECT_FALSE(is_insecure(list, "10.2.2.3", "443"));
    EXPECT_FALSE(is_insecure(list, "10.1.example", "443"));
    EXPECT_TRUE(is_insecure(list, "fd00::1", "5000"));
    EXPECT_FALSE(is_insecure(list, "fd00::1", "443"));
    EXPECT_TRUE(is_insecure(list, "fd01::2", "443"));
    EXPECT_FALSE(is_insecure({}, "plain.example", "443"));
}

TEST(Insecure, RefusesWhatNamesNoRegistry) {
    for (const char* good : {"host", "host:5000", "10.0.0.0/8", "::1/128"})
        EXPECT_TRUE(check_insecure(good)) << good;
    for (const char* bad : {"", "http://host", "host/path", "10.0.0.0/33", "10.0.0.0/x"})
        EXPECT_FALSE(check_insecure(bad)) << bad;
}

TEST(Insecure, LoopbackIsThisHostOnly) {
    for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1"})
        EXPECT_TRUE(is_loopback(host)) << host;
    for (const char* host : {"127.example", "128.0.0.1", "localhost.example", "1::1"})
        EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(Insecure, NetworksHoldNamesByTheirAddresses) {
    EXPECT_TRUE(is_insecure({"127.0.0.0/8", "::1/128"}, "localhost", "5000"));
    EXPECT_FALSE(is_insecure({"10.0.0.0/8"}, "localhost", "5000"));
    EXPECT_FALSE(is_insecure({"0.0.0.0/0"}, "nobody.invalid", "5000"));
}

}  // namespace
}  // namespace hako::oci
