#include "macos/keys.h"

#include <gmock/gmock.h>

namespace hako::macos {
namespace {

using testing::ElementsAre;

TEST(KeysTest, TextIsTypedLetterByLetter) {
    const auto keys = keys_of_text("aB 1!\n");
    ASSERT_TRUE(keys);
    EXPECT_THAT(*keys, ElementsAre(Chord{"a"}, Chord{"shift", "b"}, Chord{"spc"}, Chord{"1"},
                                   Chord{"shift", "1"}, Chord{"ret"}));
}

TEST(KeysTest, EveryPrintableByteHasAKey) {
    for (char letter = ' '; letter < 127; ++letter)
        EXPECT_TRUE(keys_of_text(std::string(1, letter))) << letter;
}

TEST(KeysTest, WhatNoKeyTypesIsNamed) {
    const auto keys = keys_of_text("\xc3\xa9");
    ASSERT_FALSE(keys);
    EXPECT_THAT(keys.error().message(), testing::HasSubstr("0xc3"));
    EXPECT_FALSE(keys_of_text(std::string(1, '\0')));
}

TEST(KeysTest, NamesOfKeysGoTogether) {
    EXPECT_EQ(*keys_of_name("cmd-space"), (Chord{"meta_l", "spc"}));
    EXPECT_EQ(*keys_of_name("Ctrl-Option-F12"), (Chord{"ctrl", "alt", "f12"}));
    EXPECT_EQ(*keys_of_name("enter"), (Chord{"ret"}));
    for (const auto* wrong : {"", "hyper-x", "f13", "f0", "cmd-"})
        EXPECT_FALSE(keys_of_name(wrong));
}

}  // namespace
}  // namespace hako::macos
