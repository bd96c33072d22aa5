#include "oci/platform.h"

#include <gtest/gtest.h>

namespace hako::oci {
namespace {

TEST(Platform, ReadsAndNormalizes) {
    EXPECT_EQ(Platform::parse("linux/amd64")->text(), "linux/amd64");
    EXPECT_EQ(Platform::parse("Linux/x86_64")->text(), "linux/amd64");
    EXPECT_EQ(Platform::parse("aarch64")->text(), "linux/arm64");
    EXPECT_EQ(Platform::parse("linux/arm64/v8")->text(), "linux/arm64");
    EXPECT_EQ(Platform::parse("linux/arm")->text(), "linux/arm/v7");
    EXPECT_EQ(Platform::parse("linux/arm/6")->text(), "linux/arm/v6");
    EXPECT_EQ(*Platform::parse("linux"), Platform::host());
    for (const auto* bad : {"", "linux/", "/amd64", "a/b/c/d", "linux/am d64", "linux/amd64\n"})
        EXPECT_FALSE(Platform::parse(bad)) << bad;
}

int rank(const char* wanted, const char* offered) {
    return platform_rank(*Platform::parse(wanted), *Platform::parse(offered)).value_or(-1);
}

TEST(Platform, OlderVariantsRunOnNewerOnes) {
    EXPECT_EQ(rank("linux/amd64", "linux/amd64"), 0);
    EXPECT_EQ(rank("linux/arm64", "linux/arm64/v8"), 0);
    EXPECT_EQ(rank("linux/arm/v7", "linux/arm/v7"), 0);
    EXPECT_LT(rank("linux/arm/v7", "linux/arm/v6"), rank("linux/arm/v7", "linux/arm/v5"));
    EXPECT_EQ(rank("linux/arm/v6", "linux/arm/v7"), -1);
    EXPECT_EQ(rank("linux/amd64", "linux/amd64/v3"), -1);
    EXPECT_EQ(rank("linux/amd64", "linux/arm64"), -1);
    EXPECT_EQ(rank("linux/amd64", "windows/amd64"), -1);
}

TEST(Platform, ThirtyTwoBitsComeLast) {
    EXPECT_LT(rank("linux/amd64/v3", "linux/amd64"), rank("linux/amd64/v3", "linux/386"));
    EXPECT_LT(rank("linux/arm64/v9", "linux/arm64"), rank("linux/arm64/v9", "linux/arm/v8"));
    EXPECT_LT(rank("linux/arm64", "linux/arm/v8"), rank("linux/arm64", "linux/arm/v7"));
    EXPECT_LT(rank("linux/arm64", "linux/arm/v7"), rank("linux/arm64", "linux/arm/v5"));
    EXPECT_EQ(rank("linux/386", "linux/amd64"), -1);
    EXPECT_EQ(rank("linux/arm/v7", "linux/arm64"), -1);
}

}  // namespace
}  // namespace hako::oci
