#include "http/url.h"

#include <gtest/gtest.h>

namespace hako::http {
namespace {

TEST(Url, PercentCodingRoundTrips) {
    const std::string text = "a b/ü?&=+%~";
    EXPECT_EQ(percent_encode("a b/c", true), "a%20b/c");
    EXPECT_EQ(percent_encode("a b/c"), "a%20b%2Fc");
    EXPECT_EQ(percent_decode(percent_encode(text)).value(), text);
    EXPECT_EQ(percent_decode("a+b", true).value(), "a b");
    EXPECT_EQ(percent_decode("a+b").value(), "a+b");
}

TEST(Url, RefusesMalformedEscapes) {
    for (const char* bad : {"%", "%4", "%zz", "a%0", "%00", "x%4g"})
        EXPECT_EQ(percent_decode(bad).error().kind(), ErrorKind::invalid) << bad;
}

TEST(Url, ReadsQueries) {
    const auto query = Query::parse("all=1&name=a%2Fb&name=c+d&flag&&empty=");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->find("all"), "1");
    EXPECT_EQ(query->all("name"), (std::vector<std::string>{"a/b", "c d"}));
    EXPECT_EQ(query->find("flag"), "");
    EXPECT_EQ(query->find("empty"), "");
    EXPECT_FALSE(query->has("absent"));
    EXPECT_EQ(query->value_or("absent", "x"), "x");
    EXPECT_FALSE(Query::parse("a=%"));
}

TEST(Url, MakesTargets) {
    EXPECT_EQ(make_target("/_ping"), "/_ping");
    EXPECT_EQ(make_target("/images/a b/json", {{"all", "1"}, {"filters", "{\"a\":1}"}}),
              "/images/a%20b/json?all=1&filters=%7B%22a%22%3A1%7D");
}

}  // namespace
}  // namespace hako::http
