#include "base/base64.h"

#include <gtest/gtest.h>

namespace hako {
namespace {

TEST(Base64, EncodesWithPadding) {
    EXPECT_EQ(encode_base64(""), "");
    EXPECT_EQ(encode_base64("h"), "aA==");
    EXPECT_EQ(encode_base64("ha"), "aGE=");
    EXPECT_EQ(encode_base64("hako"), "aGFrbw==");
    EXPECT_EQ(encode_base64("\xff\xef\xff"), "/+//");
    EXPECT_EQ(encode_base64url("\xff\xef\xff"), "_-__");
}

TEST(Base64, DecodesBothAlphabets) {
    EXPECT_EQ(decode_base64("aGFrbw==").value(), "hako");
    EXPECT_EQ(decode_base64("aGFrbw").value(), "hako");
    EXPECT_EQ(decode_base64("_-8").value(), "\xff\xef");
    EXPECT_EQ(decode_base64("/+8=").value(), "\xff\xef");
    EXPECT_EQ(decode_base64("").value(), "");
    for (const char* bad : {"a", "a b", "aGF\nrbw", "aaaaa"})
        EXPECT_FALSE(decode_base64(bad)) << bad;
}

}  // namespace
}  // namespace hako
