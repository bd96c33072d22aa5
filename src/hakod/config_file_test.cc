#include "hakod/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::hakod {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ConfigFile, ReadsDockersKeys) {
    const auto options = parse_config(R"({
        "insecure-registries": ["registry.example:5000", "10.0.0.0/8"],
        "registry-mirrors": ["https://mirror.example"],
        "max-concurrent-downloads": 5, "max-concurrent-uploads": 2, "max-download-attempts": 9})");
    ASSERT_TRUE(options) << options.error().message();
    EXPECT_THAT(options->insecure, ElementsAre("registry.example:5000", "10.0.0.0/8"));
    EXPECT_THAT(options->mirrors.at("docker.io"), ElementsAre("https://mirror.example"));
    EXPECT_EQ(options->parallel_downloads, 5U);
    EXPECT_EQ(options->parallel_uploads, 2U);
    EXPECT_EQ(options->attempts, 9);
}

TEST(ConfigFile, MirrorsMayBeOfAnyRegistry) {
    const auto options = parse_config(
        R"({"registry-mirrors": {"registry.example": ["http://a:5000/x", "https://b"]}})");
    ASSERT_TRUE(options) << options.error().message();
    EXPECT_THAT(options->mirrors.at("registry.example"),
                ElementsAre("http://a:5000/x", "https://b"));
}

TEST(ConfigFile, WhatIsWrongIsNamed) {
    const auto complaint = [](std::string_view text) {
        const auto options = parse_config(text);
        return options ? std::string() : options.error().message();
    };
    EXPECT_THAT(complaint("[]"), HasSubstr("object"));
    EXPECT_THAT(complaint(R"({"insecure-registry": []})"),
                HasSubstr("unknown key \"insecure-registry\"; known are insecure-registries"));
    EXPECT_THAT(complaint(R"({"insecure-registries": "x"})"), HasSubstr("insecure-registries"));
    EXPECT_THAT(complaint(R"({"insecure-registries": ["http://x"]})"), HasSubstr("http://x"));
    EXPECT_THAT(complaint(R"({"registry-mirrors": ["mirror"]})"), HasSubstr("\"mirror\""));
    EXPECT_THAT(complaint(R"({"registry-mirrors": {"x": ["https://u:p@y"]}})"), HasSubstr("x: "));
    EXPECT_THAT(complaint(R"({"max-concurrent-downloads": 0})"), HasSubstr("1 to 64"));
    EXPECT_THAT(complaint(R"({"max-concurrent-uploads": "3"})"), HasSubstr("1 to 64"));
}

}  // namespace
}  // namespace hako::hakod
