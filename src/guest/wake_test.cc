#include "guest/wake.h"

#include <gtest/gtest.h>

namespace hako::guest {
namespace {

TEST(WakeTest, ComesAsItWent) {
    auto wake = make_wake();
    ASSERT_TRUE(wake);
    wake->slots = 6;
    const auto bytes = encode(*wake);
    EXPECT_EQ(bytes.size(), kWakeBytes);
    const auto read = decode_wake(bytes);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->time, wake->time);
    EXPECT_EQ(read->entropy, wake->entropy);
    EXPECT_EQ(read->slots, 6U);
}

TEST(WakeTest, NoTwoHaveTheSameEntropy) {
    EXPECT_NE(make_wake()->entropy, make_wake()->entropy);
    EXPECT_NE(make_wake()->entropy, std::string(kWakeEntropy, '\0'));
}

TEST(WakeTest, RefusesWhatIsNone) {
    const auto bytes = encode(*make_wake());
    for (const auto& text : {std::string(), bytes.substr(1), bytes + "x", "x" + bytes.substr(1)})
        EXPECT_EQ(decode_wake(text).error().kind(), ErrorKind::corrupt);
    auto late = bytes;
    late[19] = '\x7f';  // nanoseconds
    EXPECT_EQ(decode_wake(late).error().kind(), ErrorKind::corrupt);
    late = bytes;
    late[15] = '\x7f';  // seconds
    EXPECT_EQ(decode_wake(late).error().kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace hako::guest
