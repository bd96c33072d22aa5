#include "base/json.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

TEST(ParseJson, RefusesWhatWouldHurt) {
    EXPECT_FALSE(parse_json("{"));
    EXPECT_FALSE(parse_json(std::string(100'000, '[')));
    EXPECT_FALSE(parse_json("[1,2,3]", {.max_bytes = 3, .max_depth = 8}));
    EXPECT_TRUE(parse_json(R"({"a": "[[[[[[[[[["})", {.max_bytes = 100, .max_depth = 1}));
}

TEST(JsonField, NamesTheFieldThatIsWrong) {
    const Json object =
        *parse_json(R"({"n": 300, "s": "x", "neg": -1, "list": ["a", 1], "no": null})");
    EXPECT_EQ(*json_field_or<int>(object, "n", 0), 300);
    EXPECT_EQ(*json_field_or<int>(object, "absent", 7), 7);
    EXPECT_EQ(*json_field_or<std::string>(object, "no", "d"), "d");
    EXPECT_EQ(*json_field_or<std::int64_t>(object, "neg", 0), -1);
    for (const auto& result : {json_field<std::uint8_t>(object, "n").error(),
                               json_field<std::uint8_t>(object, "neg").error()})
        EXPECT_EQ(result.kind(), ErrorKind::invalid);
    EXPECT_NE(json_field<int>(object, "s").error().message().find("field s"), std::string::npos);
    EXPECT_FALSE(json_field<std::vector<std::string>>(object, "list"));
}

TEST(DumpJson, SurvivesInvalidUtf8) { EXPECT_EQ(dump_json(Json("a\xff")), "\"a\xef\xbf\xbd\""); }

}  // namespace
}  // namespace hako
