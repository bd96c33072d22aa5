#include "network/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::network {
namespace {

using ::testing::HasSubstr;

Address ip(std::string_view text) { return Address::parse(text).value(); }
Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }

TEST(Address, ReadsAndWritesBothFamilies) {
    for (const char* text : {"0.0.0.0", "172.17.0.2", "255.255.255.255", "::", "::1", "fd00::5"})
        EXPECT_EQ(to_string(ip(text)), text);
    EXPECT_EQ(ip("172.17.0.2"), Address::v4(172, 17, 0, 2));
    EXPECT_EQ(ip("FD00:0::05"), ip("fd00::5"));
    EXPECT_LT(ip("255.0.0.0"), ip("::"));
}

TEST(Address, RefusesWhatIsNoneAndNamesIt) {
    for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "fd00::g", "1.2.3.4 ", "web"}) {
        const auto parsed = Address::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::invalid);
        EXPECT_THAT(parsed.error().message(), HasSubstr(fmt::format("\"{}\"", text)));
    }
}

TEST(Address, CountsOnAndBack) {
    EXPECT_EQ(ip("10.0.0.255").plus(1), ip("10.0.1.0"));
    EXPECT_EQ(ip("10.0.0.0").plus(1U << 24U), ip("11.0.0.0"));
    EXPECT_EQ(ip("255.255.255.255").plus(1), std::nullopt);
    EXPECT_EQ(ip("fd00::ffff:ffff:ffff:ffff").plus(1), ip("fd00:0:0:1::"));
    EXPECT_EQ(ip("10.0.1.0").minus(ip("10.0.0.255")), 1U);
    EXPECT_EQ(ip("10.0.0.0").minus(ip("10.0.0.1")), std::nullopt);
    EXPECT_EQ(ip("fd00:0:0:1::").minus(ip("fd00::")), std::nullopt);  // 2^64
    EXPECT_EQ(ip("fd00:0:0:1::").minus(ip("fd00::1")), ~std::uint64_t{0});
}

TEST(Cidr, KnowsItsEnds) {
    EXPECT_EQ(to_string(cidr("172.20.0.0/16").last()), "172.20.255.255");
    EXPECT_EQ(to_string(cidr("172.20.5.9/20").network()), "172.20.0.0/20");
    EXPECT_EQ(to_string(cidr("fd00:1::/48").last()), "fd00:1:0:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(cidr("0.0.0.0/0").last(), ip("255.255.255.255"));
    EXPECT_EQ(cidr("10.0.0.1/32").last(), ip("10.0.0.1"));
}

TEST(Cidr, ContainsAndOverlaps) {
    EXPECT_TRUE(cidr("10.0.0.0/8").contains(ip("10.255.0.1")));
    EXPECT_FALSE(cidr("10.0.0.0/8").contains(ip("11.0.0.0")));
    EXPECT_FALSE(cidr("0.0.0.0/0").contains(ip("::")));
    EXPECT_TRUE(cidr("10.1.0.0/16").overlaps(cidr("10.0.0.0/8")));
    EXPECT_TRUE(cidr("10.0.0.0/8").overlaps(cidr("10.1.0.0/16")));
    EXPECT_FALSE(cidr("10.0.0.0/16").overlaps(cidr("10.1.0.0/16")));
}

TEST(Cidr, RefusesWrongPrefixes) {
    for (const char* text :
         {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "10.0.0.0/8x"}) {
        const auto parsed = Cidr::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error().message(), HasSubstr(text));
    }
}

TEST(Mac, ReadsAndWrites) {
    EXPECT_EQ(to_string(Mac::parse("02:42:AC-11:00:02").value()), "02:42:ac:11:00:02");
    EXPECT_EQ(to_string(Mac::of(ip("172.17.0.2"))), "02:42:ac:11:00:02");
    EXPECT_EQ(Mac::of("web"), Mac::of("web"));
    EXPECT_NE(Mac::of("web"), Mac::of("wec"));
    EXPECT_EQ(to_string(Mac::of(ip("172.17.0.2")).link_local()), "fe80::42:acff:fe11:2");
}

TEST(Mac, RefusesWhatNoInterfaceMayHave) {
    for (const char* text :
         {"", "02:42", "02:42:ac:11:00:0g", "02:42:ac:11:00:002", "0242.ac11.0002",
          "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:42:ac:11:00 02"}) {
        const auto parsed = Mac::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error().message(), HasSubstr(text));
    }
}

}  // namespace
}  // namespace hako::network
