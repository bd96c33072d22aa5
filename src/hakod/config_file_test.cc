#include "hakod/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::hakod {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ConfigFile, ReadsDockersKeys) {
    const auto config = parse_config(R"({
        "insecure-registries": ["registry.example:5000", "10.0.0.0/8"],
        "registry-mirrors": ["https://mirror.example"],
        "max-concurrent-downloads": 5, "max-concurrent-uploads": 2, "max-download-attempts": 9})");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_THAT(config->registries.insecure, ElementsAre("registry.example:5000", "10.0.0.0/8"));
    EXPECT_THAT(config->registries.mirrors.at("docker.io"), ElementsAre("https://mirror.example"));
    EXPECT_EQ(config->registries.parallel_downloads, 5U);
    EXPECT_EQ(config->registries.parallel_uploads, 2U);
    EXPECT_EQ(config->registries.attempts, 9);
}

TEST(ConfigFile, MirrorsMayBeOfAnyRegistry) {
    const auto config = parse_config(
        R"({"registry-mirrors": {"registry.example": ["http://a:5000/x", "https://b"]}})");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_THAT(config->registries.mirrors.at("registry.example"),
                ElementsAre("http://a:5000/x", "https://b"));
}

TEST(ConfigFile, LimitsOfLayers) {
    const auto config = parse_config(R"({"max-layer-files": 10, "max-layer-ratio": 50,
                                         "max-layer-size": "2g", "min-free-space": 1000})");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->layers.max_entries, 10U);
    EXPECT_EQ(config->layers.max_ratio, 50);
    EXPECT_EQ(config->layers.max_bytes, 2 * kGiB);
    EXPECT_EQ(config->layers.min_free, 1000U);
}

TEST(ConfigFile, Templates) {
    const auto config = parse_config(
        R"({"templates": false, "template-folder": "/data/t", "template-space": "100m",)"
        R"( "checkpoints": false})");
    EXPECT_FALSE(config->templates.checkpoints);
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_FALSE(config->templates.enabled);
    EXPECT_EQ(config->templates.folder, "/data/t");
    EXPECT_EQ(config->templates.limit, 100 * kMiB);
}

TEST(ConfigFile, WhatIsWrongIsNamed) {
    const auto complaint = [](std::string_view text) {
        const auto config = parse_config(text);
        return config ? std::string() : config.error().message();
    };
    EXPECT_THAT(complaint("[]"), HasSubstr("object"));
    EXPECT_THAT(complaint(R"({"insecure-registry": []})"),
                HasSubstr("unknown key \"insecure-registry\"; known are checkpoints, "));
    EXPECT_THAT(complaint(R"({"insecure-registries": "x"})"), HasSubstr("insecure-registries"));
    EXPECT_THAT(complaint(R"({"insecure-registries": ["http://x"]})"), HasSubstr("http://x"));
    EXPECT_THAT(complaint(R"({"registry-mirrors": ["mirror"]})"), HasSubstr("\"mirror\""));
    EXPECT_THAT(complaint(R"({"registry-mirrors": {"x": ["https://u:p@y"]}})"), HasSubstr("x: "));
    EXPECT_THAT(complaint(R"({"max-concurrent-downloads": 0})"), HasSubstr("1 to 64"));
    EXPECT_THAT(complaint(R"({"max-concurrent-uploads": "3"})"), HasSubstr("1 to 64"));
    EXPECT_THAT(complaint(R"({"max-layer-size": -1})"), HasSubstr("max-layer-size"));
    EXPECT_THAT(complaint(R"({"templates": "on"})"), HasSubstr("true or false"));
    EXPECT_THAT(complaint(R"({"template-folder": "here"})"), HasSubstr("path from the root"));
    EXPECT_THAT(complaint(R"({"min-free-space": "much"})"), HasSubstr("min-free-space"));
}

}  // namespace
}  // namespace hako::hakod
