#include "engine/log_options.h"

#include <gmock/gmock.h>

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

HostConfig with(const std::string& driver, const StringMap& options) {
    HostConfig config;
    config.log_driver = driver;
    config.log_options = options;
    return config;
}

TEST(LogOptions, LimitsOfTheDrivers) {
    EXPECT_EQ(log_limits(with("", {}))->max_bytes, 0U);
    EXPECT_EQ(log_limits(with("local", {}))->max_files, 5U);
    const auto limits = log_limits(with("json-file", {{"max-size", "10m"}, {"max-file", "3"}}));
    EXPECT_EQ(limits->max_bytes, 10'000'000U);
    EXPECT_EQ(limits->max_files, 3U);
    EXPECT_TRUE(log_limits(with("none", {})));
    EXPECT_TRUE(check_logs_readable(with("local", {})));
    EXPECT_EQ(check_logs_readable(with("none", {})).error().message(),
              "configured logging driver does not support reading");
}

TEST(LogOptions, WhatIsWrongIsNamed) {
    const auto refusal = [](const std::string& driver, const StringMap& options) {
        const auto limits = log_limits(with(driver, options));
        return limits ? std::string() : limits.error().message();
    };
    EXPECT_THAT(refusal("journald", {}), HasSubstr("use json-file, local or none"));
    EXPECT_THAT(refusal("", {{"colour", "red"}}), HasSubstr("unknown log opt 'colour'"));
    for (const char* size : {"", "-1", "1", "10x", "99999999999999999999", "9999999g"})
        EXPECT_THAT(refusal("", {{"max-size", size}}), HasSubstr("max-size")) << size;
    for (const char* count : {"", "0", "-1", "1001", "1.5"})
        EXPECT_THAT(refusal("", {{"max-size", "1m"}, {"max-file", count}}), HasSubstr("max-file"));
    EXPECT_THAT(refusal("", {{"max-file", "3"}}), HasSubstr("needs max-size"));
}

TEST(LogOptions, DetailsAreWhatTheOptionsName) {
    Container container;
    container.config.labels = {{"role", "web"}, {"other", "x"}};
    container.config.env = {"A=1", "B=2"};
    EXPECT_EQ(log_details(container), "");
    container.host_config.log_options = {{"labels", "role,none"}, {"env", "A"}};
    EXPECT_EQ(log_details(container), "A=1,role=web ");
}

}  // namespace
}  // namespace hako::engine
