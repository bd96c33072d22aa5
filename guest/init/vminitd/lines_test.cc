#include "init/vminitd/lines.h"

#include <gtest/gtest.h>

namespace hako::init {
namespace {

using Lines = std::vector<std::string>;

TEST(LinesTest, NewOnesStandInThePlaceOfOldOnes) {
    EXPECT_EQ(change_lines("a\nb\nc\n", Lines{"b"}, Lines{"x", "y"}), "a\nx\ny\nc\n");
    EXPECT_EQ(change_lines("a\nb\nc\nb\n", Lines{"b", "c"}, Lines{"x"}), "a\nx\n");
    EXPECT_EQ(change_lines("a\nb", Lines{"b"}, {}), "a\n");
}

TEST(LinesTest, OrAtTheEndWithoutAny) {
    EXPECT_EQ(change_lines("a\n\n# note", Lines{"b"}, Lines{"x"}), "a\n\n# note\nx\n");
    EXPECT_EQ(change_lines("", {}, Lines{"x"}), "x\n");
    EXPECT_EQ(change_lines("", Lines{"b"}, {}), "");
}

TEST(LinesTest, WhatIsDoneAgainChangesNothing) {
    const auto once = change_lines("a\nb\n", Lines{"a"}, Lines{"x"});
    EXPECT_EQ(change_lines(once, Lines{"a"}, Lines{"x"}), once);
}

}  // namespace
}  // namespace hako::init
