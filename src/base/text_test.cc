#include "base/text.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

TEST(TextTest, LowersLettersOnly) {
    EXPECT_EQ(to_lower("AbZ[9_"), "abz[9_");
    EXPECT_EQ(to_lower("\xc3\x84"), "\xc3\x84");
    EXPECT_EQ(to_lower(""), "");
}

TEST(TextTest, SplitsAtEverySeparator) {
    using Parts = std::vector<std::string_view>;
    EXPECT_EQ(split("a,b,,c", ','), (Parts{"a", "b", "", "c"}));
    EXPECT_EQ(split("", ','), Parts{""});
}

TEST(TextTest, TrimsBlanksAtBothEnds) {
    EXPECT_EQ(trim(" \t a b\r\n"), "a b");
    EXPECT_EQ(trim("a"), "a");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace hako
