#include "dockerapi/parameters.h"

#include <array>

#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

TEST(Parameters, FlagsAsDockerReadsThem) {
    for (const char* no : {"", "0", "no", "false", "False", "none"})
        EXPECT_FALSE(flag({{"x", no}}, "x")) << no;
    for (const char* yes : {"1", "true", "True", "yes", "on"}) EXPECT_TRUE(flag({{"x", yes}}, "x"));
    EXPECT_FALSE(flag({}, "x"));
    EXPECT_TRUE(flag({}, "x", true));
}

TEST(Parameters, NumbersAndTimes) {
    EXPECT_EQ(number({{"t", "-1"}}, "t").value(), -1);
    EXPECT_EQ(number({}, "t").value(), std::nullopt);
    EXPECT_NE(number({{"t", "1x"}}, "t").error().message().find("t: 1x"), std::string::npos);
    EXPECT_FALSE(number({{"t", "99999999999"}}, "t"));

    EXPECT_EQ(time_parameter({}, "since").value(), WallTime{});
    EXPECT_EQ(time_parameter({{"since", "5.25"}}, "since").value(),
              WallTime(std::chrono::milliseconds(5250)));
    EXPECT_EQ(time_parameter({{"since", "1970-01-01T00:00:05Z"}}, "since").value(),
              WallTime(std::chrono::seconds(5)));
    for (const char* bad : {"x", "1.x", "-5", "99999999999999999999", "1.-5"})
        EXPECT_EQ(time_parameter({{"since", bad}}, "since").error().kind(), ErrorKind::invalid)
            << bad;
}

TEST(Parameters, WindowSizes) {
    const auto size = window_size({{"h", "24"}, {"w", "80"}}).value();
    EXPECT_EQ(size.rows, 24U);
    EXPECT_EQ(size.columns, 80U);
    EXPECT_TRUE(window_size({{"h", "65535"}, {"w", "65535"}}));
    for (const char* bad : {"0", "-1", "65536", "x", ""})
        EXPECT_EQ(window_size({{"h", "24"}, {"w", bad}}).error().kind(), ErrorKind::invalid) << bad;
}

TEST(Parameters, FiltersOfBothForms) {
    constexpr std::array<std::string_view, 2> kKnown{"label", "name"};
    const auto lists = filters({{"filters", R"({"label":["a=b","c"]})"}}, kKnown).value();
    EXPECT_EQ(values_of(lists, "label"), (std::vector<std::string>{"a=b", "c"}));
    EXPECT_TRUE(values_of(lists, "name").empty());
    const auto maps = filters({{"filters", R"({"name":{"x":true,"y":false}})"}}, kKnown).value();
    EXPECT_EQ(values_of(maps, "name"), std::vector<std::string>{"x"});
    EXPECT_TRUE(filters({}, kKnown)->empty());
    for (const char* bad : {"x", "[]", "1", R"({"label":"a"})", R"({"label":[1]})",
                            R"({"label":{"a":1}})", R"({"color":["red"]})"})
        EXPECT_EQ(filters({{"filters", bad}}, kKnown).error().kind(), ErrorKind::invalid) << bad;
}

}  // namespace
}  // namespace hako::dockerapi
