#include "oci/challenge.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

TEST(Challenge, ReadsBearer) {
    const auto challenges = parse_challenges(
        R"(Bearer realm="https://auth.example/token",service="a \"b\"", scope="x:y:pull,push")");
    ASSERT_EQ(challenges.size(), 1U);
    EXPECT_EQ(challenges[0].scheme, "bearer");
    EXPECT_EQ(challenges[0].parameter("realm"), "https://auth.example/token");
    EXPECT_EQ(challenges[0].parameter("service"), "a \"b\"");
    EXPECT_EQ(challenges[0].parameter("scope"), "x:y:pull,push");
    EXPECT_EQ(challenges[0].parameter("error"), "");
}

TEST(Challenge, ReadsSeveral) {
    const auto challenges = parse_challenges("BASIC Realm=here , Bearer realm = \"there\"");
    ASSERT_EQ(challenges.size(), 2U);
    EXPECT_EQ(challenges[0].scheme, "basic");
    EXPECT_EQ(challenges[0].parameter("realm"), "here");
    EXPECT_EQ(challenges[1].parameter("realm"), "there");
}

TEST(Challenge, EndsAtNonsense) {
    for (const auto* text : {"", "=", "realm=\"x\"", ",,,", "\"", "Bearer realm=\"unclosed",
                             "Bearer realm=\"x\\", "Bearer ==", "Bearer \"x\""})
        for (const auto& challenge : parse_challenges(text))
            EXPECT_TRUE(challenge.parameters.empty() || challenge.parameter("realm").empty())
                << text;
}

}  // namespace
}  // namespace hako::oci
