#include "base/units.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

using namespace std::chrono_literals;

TEST(ParseBytes, ReadsDockersForms) {
    EXPECT_EQ(*parse_bytes("1024"), 1024U);
    EXPECT_EQ(*parse_bytes("512m"), 512 * kMiB);
    EXPECT_EQ(*parse_bytes("512MiB"), 512 * kMiB);
    EXPECT_EQ(*parse_bytes("1.5G"), 3 * kGiB / 2);
    EXPECT_EQ(*parse_bytes("64 kb"), 64 * kKiB);
    EXPECT_EQ(*parse_bytes("7b"), 7U);
}

TEST(ParseBytes, RefusesNonsense) {
    for (const char* text : {"", "m", "-1", "12x", "12mm", "1e9", "nan", "99999999999999999999"})
        EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(FormatBytes, HasFourDigits) {
    EXPECT_EQ(format_bytes(0), "0B");
    EXPECT_EQ(format_bytes(4262000), "4.262MB");
    EXPECT_EQ(format_bytes(77800000), "77.8MB");
}

TEST(ParseDuration, ReadsGosForm) {
    EXPECT_EQ(*parse_duration("1h30m"), 90min);
    EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
    EXPECT_EQ(*parse_duration("0"), 0s);
    for (const char* text : {"", "10", "s", "1d", "-5s"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Time, GoesToTextAndBack) {
    const WallTime time{1234567890123456789ns};
    EXPECT_EQ(format_time(time), "2009-02-13T23:31:30.123456789Z");
    EXPECT_EQ(*parse_time(format_time(time)), time);
    EXPECT_EQ(*parse_time("2009-02-14T01:31:30.123456789+02:00"), time);
    EXPECT_EQ(format_time(WallTime{}), "0001-01-01T00:00:00Z");
    EXPECT_EQ(*parse_time("0001-01-01T00:00:00Z"), WallTime{});
    for (const char* text : {"", "2009", "2009-02-30T00:00:00Z", "2009-02-13T25:00:00Z",
                             "2009-02-13T23:31:30", "2009-02-13T23:31:30Zx"})
        EXPECT_FALSE(parse_time(text)) << text;
}

TEST(FormatSpan, SpeaksAsDockerPs) {
    EXPECT_EQ(format_span(5s), "5 seconds");
    EXPECT_EQ(format_span(75s), "About a minute");
    EXPECT_EQ(format_span(3h), "3 hours");
    EXPECT_EQ(format_span(24h * 3), "3 days");
}

TEST(RandomId, IsLongAndNew) {
    const std::string id = random_id();
    EXPECT_EQ(id.size(), 64U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_NE(id, random_id());
}

}  // namespace
}  // namespace hako
