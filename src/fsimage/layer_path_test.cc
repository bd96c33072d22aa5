#include "fsimage/layer_path.h"

#include <gtest/gtest.h>

namespace hako::fsimage {
namespace {

using namespace std::string_literals;

TEST(NormalizePath, MakesNamesUniform) {
    EXPECT_EQ(normalize_path("a/b").value(), "a/b");
    EXPECT_EQ(normalize_path("/a/b/").value(), "a/b");
    EXPECT_EQ(normalize_path("./a//./b").value(), "a/b");
    EXPECT_EQ(normalize_path("./").value(), "");
    EXPECT_EQ(normalize_path("...").value(), "...");
    EXPECT_EQ(normalize_path("..a/b..").value(), "..a/b..");
}

TEST(NormalizePath, RefusesWhatLeavesTheRootOrFitsNoLinux) {
    for (const std::string& path : {".."s, "../../etc/passwd"s, "a/../b"s, "/.."s, "a/.."s, "a\0b"s,
                                    std::string(256, 'x'), "a/" + std::string(256, 'x')}) {
        const auto result = normalize_path(path);
        ASSERT_FALSE(result) << path;
        EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
    }
    std::string deep;
    for (int i = 0; i < 2048; ++i) deep += "d/";
    EXPECT_TRUE(normalize_path(deep.substr(2)));
    EXPECT_FALSE(normalize_path(deep + "x"));
}

TEST(SplitPath, CutsAtTheLastSlash) {
    EXPECT_EQ(split_path("a/b/c").parent, "a/b");
    EXPECT_EQ(split_path("a/b/c").name, "c");
    EXPECT_EQ(split_path("a").parent, "");
    EXPECT_EQ(split_path("").name, "");
}

}  // namespace
}  // namespace hako::fsimage
