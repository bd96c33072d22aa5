#include "init/vminitd/timer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hako::init {
namespace {

std::string list(std::string_view device, unsigned mult) {
    return fmt::format(
        "Tick Device: mode:     1\nBroadcast device\nClock Event Device: pit\n"
        " mult:           5124678\n shift:          32\n\n"
        "Tick Device: mode:     1\nPer CPU device: 0\nClock Event Device: {}\n"
        " max_delta_ns:   34360085625\n min_delta_ns:   1000\n"
        " mult:           {}\n shift:          32\n mode:           3\n",
        device, mult);
}

constexpr unsigned kRight = 268435456;  // 62.5 MHz

TEST(Timer, TheApicsLetsTheGuestSleep) {
    EXPECT_TRUE(lets_sleep("lapic", list("lapic", kRight)));
    EXPECT_TRUE(lets_sleep("lapic", list("lapic", kRight + kRight / 10'000)));
    // It wakes up too early, and sleeps again.
    EXPECT_TRUE(lets_sleep("lapic", list("lapic", kRight / 4 * 3)));
    EXPECT_TRUE(lets_sleep("lapic-deadline", ""));
}

TEST(Timer, OneThatIsLateDoesNot) {
    EXPECT_FALSE(lets_sleep("lapic", list("lapic", kRight / 100 * 101)));
}

TEST(Timer, TheIntervalTimerDoesNot) {
    EXPECT_FALSE(lets_sleep("pit", list("pit", 5124678)));
    EXPECT_FALSE(lets_sleep("lapic", list("pit", 5124678)));
}

}  // namespace
}  // namespace hako::init
