#include "engine/traces.h"

#include <gtest/gtest.h>

namespace hako::engine {
namespace {

TEST(TracesTest, AreKeptByContainer) {
    Traces traces;
    traces.of("a")->add("start", now(), now());
    EXPECT_EQ(traces.of("b")->spans().size(), 0U);
    const auto found = traces.find("a");
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->front().service, "hakod");
    EXPECT_EQ(traces.find("c").error().kind(), ErrorKind::not_found);
}

TEST(TracesTest, TheOldestGoes) {
    Traces traces;
    for (std::size_t i = 0; i <= Traces::kKept; ++i) traces.of(std::to_string(i));
    EXPECT_FALSE(traces.find("0"));
    EXPECT_TRUE(traces.find("1"));
    EXPECT_TRUE(traces.find(std::to_string(Traces::kKept)));
}

}  // namespace
}  // namespace hako::engine
