#include "base/trace.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

WallTime at(std::int64_t nanoseconds) { return WallTime(std::chrono::nanoseconds(nanoseconds)); }

TEST(TraceTest, ATimerRecordsItsBlock) {
    Trace trace("hakod");
    const auto before = now();
    {
        const auto timer = trace.time("boot");
        EXPECT_TRUE(trace.spans().empty());
    }
    const auto spans = trace.spans();
    ASSERT_EQ(spans.size(), 1U);
    EXPECT_EQ(spans[0].service, "hakod");
    EXPECT_EQ(spans[0].name, "boot");
    EXPECT_GE(spans[0].begun, before);
    EXPECT_GE(spans[0].ended, spans[0].begun);
}

TEST(TraceTest, SpansGoThroughJsonUnchanged) {
    const std::vector<Span> spans{{"hako", "run", at(1), at(9)}, {"hakod", "start", at(2), at(3)}};
    const auto back = spans_from_json(to_json(spans));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(to_json(*back), to_json(spans));
    EXPECT_FALSE(spans_from_json(Json{{"Name", "x"}}));
    EXPECT_FALSE(spans_from_json(Json::array({{{"Begun", "soon"}}})));
}

TEST(TraceTest, OpenTelemetryGroupsByServiceBelowTheRoot) {
    const auto json = to_otlp({{"hako", "run", at(1), at(9)},
                               {"hakod", "start", at(2), at(3)},
                               {"hako", "wait", at(4), at(9)}},
                              "0123456789abcdef0123456789abcdef");
    ASSERT_EQ(json["resourceSpans"].size(), 2U);
    const auto& mine = json["resourceSpans"][0];
    EXPECT_EQ(mine["resource"]["attributes"][0]["value"]["stringValue"], "hako");
    ASSERT_EQ(mine["scopeSpans"][0]["spans"].size(), 2U);
    const auto& root = mine["scopeSpans"][0]["spans"][0];
    EXPECT_FALSE(root.contains("parentSpanId"));
    EXPECT_EQ(root["startTimeUnixNano"], "1");
    const auto& start = json["resourceSpans"][1]["scopeSpans"][0]["spans"][0];
    EXPECT_EQ(start["parentSpanId"], root["spanId"]);
    EXPECT_NE(start["spanId"], root["spanId"]);
    EXPECT_EQ(start["traceId"], "0123456789abcdef0123456789abcdef");
}

TEST(TraceTest, HoldsSoManySpansOnly) {
    Trace trace("x");
    for (std::size_t i = 0; i <= Trace::kMostSpans; ++i) trace.add("again", at(1), at(2));
    EXPECT_EQ(trace.spans().size(), Trace::kMostSpans);
}

}  // namespace
}  // namespace hako
