#include "dockerapi/detach_keys.h"

#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

constexpr char kCtrlP = 16;
constexpr char kCtrlQ = 17;

std::string keys(std::initializer_list<char> list) { return std::string(list); }

TEST(DetachKeys, TheDefaultSequenceDetaches) {
    auto sequence = DetachKeys::parse("").value();
    const auto fed = sequence.feed("ls\r" + keys({kCtrlP, kCtrlQ}));
    EXPECT_TRUE(fed.detached);
    EXPECT_EQ(fed.pass, "ls\r");
}

TEST(DetachKeys, APartIsHeldBackAndThenPassed) {
    auto sequence = DetachKeys::parse("ctrl-p,ctrl-q").value();
    EXPECT_EQ(sequence.feed(keys({'a', kCtrlP})).pass, "a");
    EXPECT_EQ(sequence.feed("b").pass, keys({kCtrlP, 'b'}));
    EXPECT_EQ(sequence.feed(keys({kCtrlP, kCtrlP})).pass, keys({kCtrlP}));
    EXPECT_TRUE(sequence.feed(keys({kCtrlQ})).detached);
}

TEST(DetachKeys, SequencesOfOnesOwn) {
    EXPECT_TRUE(DetachKeys::parse("x").value().feed("x").detached);
    EXPECT_TRUE(DetachKeys::parse("ctrl-@,a").value().feed(keys({0, 'a'})).detached);
    EXPECT_TRUE(DetachKeys::parse("ctrl-[").value().feed("\x1b").detached);
}

TEST(DetachKeys, RefusesWhatIsNoKey) {
    for (const char* bad : {"ctrl-", "ctrl-1", "ab", "a,,b", "a,", ",", "ctrl-A-b"})
        EXPECT_EQ(DetachKeys::parse(bad).error().kind(), ErrorKind::invalid) << bad;
}

}  // namespace
}  // namespace hako::dockerapi
