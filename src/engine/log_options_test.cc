#include "engine/log_options.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/fd.h"

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
    EXPECT_THAT(refusal("syslog", {}), HasSubstr("use json-file, local, journald or none"));
    EXPECT_THAT(refusal("", {{"colour", "red"}}), HasSubstr("unknown log opt 'colour'"));
    EXPECT_THAT(refusal("journald", {{"max-size", "1m"}}),
                HasSubstr("unknown log opt 'max-size' for journald"));
    EXPECT_THAT(refusal("", {{"env-regex", "("}}), HasSubstr("env-regex"));
    EXPECT_THAT(refusal("", {{"tag", "{{.Colour}}"}}), HasSubstr("{{.ImageName}}"));
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
    container.name = "app";
    container.host_config.log_options = {{"labels-regex", "^(ro|ot)"}, {"tag", "x/{{.Name}}"}};
    EXPECT_EQ(log_details(container), "other=x,role=web,tag=x/app ");
}

TEST(LogOptions, TheJournalIsToldWhoseLinesTheyAre) {
    Container container;
    container.id = std::string(64, 'a');
    container.name = "app";
    container.config.image = "web:1";
    container.config.labels = {{"com.example/role", "web"}};
    container.host_config = with("journald", {{"labels", "com.example/role"}});
    const Layout layout("/root", "/run");
    EXPECT_THAT(log_setup(container, layout, "/nowhere").error().message(),
                HasSubstr("journald is not enabled on this host: /nowhere is missing"));

    const TempDir folder = TempDir::create().value();
    ASSERT_EQ(::mknod((folder.path() / "socket").c_str(), S_IFSOCK | 0600, 0), 0);
    const auto setup = log_setup(container, layout, folder.path() / "socket");
    ASSERT_TRUE(setup) << setup.error().message();
    const StringMap fields{{"COM_EXAMPLE_ROLE", "web"},          {"CONTAINER_ID", "aaaaaaaaaaaa"},
                           {"CONTAINER_ID_FULL", container.id},  {"CONTAINER_NAME", "app"},
                           {"CONTAINER_TAG", "aaaaaaaaaaaa"},    {"IMAGE_NAME", "web:1"},
                           {"SYSLOG_IDENTIFIER", "aaaaaaaaaaaa"}};
    EXPECT_EQ(setup->journal, fields);
    EXPECT_EQ(setup->limits.max_files, 5U);
    container.host_config.log_driver = "local";
    EXPECT_TRUE(log_setup(container, layout, "/nowhere")->journal.empty());
}

}  // namespace
}  // namespace hako::engine
