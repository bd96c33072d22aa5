#include "macos/machine_request.h"

#include <gmock/gmock.h>

#include "base/fd.h"

namespace hako::macos {
namespace {

using ::testing::HasSubstr;

TEST(MachineRequestTest, IsTheSameBehindItsJson) {
    const MachineRequest request{.name = "mac",
                                 .variables = {{"VERSION", "14"}},
                                 .storage = "/s",
                                 .disk_folders = {{1, "/fast"}},
                                 .cache = "/c",
                                 .recovery = "/r.dmg",
                                 .share = "/shared",
                                 .viewer = {{"0.0.0.0", 8006}, {"::1", 8007}},
                                 .ports = {{"udp", 53, 54, "0.0.0.0"}},
                                 .api = "unix:///run/x"};
    const auto copy = machine_request_from_json(to_json(request));
    ASSERT_TRUE(copy);
    EXPECT_EQ(to_json(*copy), to_json(request));
    EXPECT_EQ(copy->recovery, "/r.dmg");
    EXPECT_EQ(copy->disk_folders.at(1), "/fast");
    EXPECT_FALSE(copy->custom_config);
    EXPECT_EQ(copy->ports.front().address, "0.0.0.0");
    ASSERT_EQ(copy->viewer.size(), 2U);
    EXPECT_EQ(copy->viewer[1].address, "::1");
    EXPECT_EQ(copy->viewer[1].port, 8007);
    EXPECT_FALSE(machine_request_from_json({{"cache", "/c"}}));
}

class OpenCoreSourcesTest : public ::testing::Test {
protected:
    MachineRequest request_{.storage = "/s", .cache = folder()};
    static const std::filesystem::path& folder() {
        static const TempDir temporary = TempDir::create().value();
        return temporary.path();
    }
};

TEST_F(OpenCoreSourcesTest, NamesNoneWhereThereIsNone) {
    EXPECT_TRUE(named_opencore(request_).value().empty());
    request_.variables = {{"OPENCORE_SHA256", std::string(64, 'a')}};
    EXPECT_THAT(named_opencore(request_).error().message(), HasSubstr("a ZIP that you name"));
    request_.variables = {};
    request_.opencore = folder() / "mounted";
    EXPECT_THAT(named_opencore(request_).error().message(),
                HasSubstr((folder() / "mounted").native() + " holds no OpenCore"));
}

TEST_F(OpenCoreSourcesTest, TakesNoneOfTheFolderWhereADownloadIsNamed) {
    std::filesystem::create_directories(folder() / "opencore/OpenCore");
    EXPECT_EQ(named_opencore(request_)->size(), 1U);
    request_.variables = {{"OPENCORE_MIRROR", "http://a/b"}};
    EXPECT_TRUE(named_opencore(request_)->empty());
    EXPECT_EQ(opencore_options(request_.variables)->mirror, "http://a/b");
    std::filesystem::remove_all(folder() / "opencore");
}

TEST_F(OpenCoreSourcesTest, WhatIsMountedComesBeforeADownload) {
    request_.opencore = folder() / "given";
    std::filesystem::create_directories(folder() / "given/EFI");
    request_.variables = {{"OPENCORE_MIRROR", "http://a/b"}};
    EXPECT_EQ(named_opencore(request_)->at(0).path, folder() / "given");
    ASSERT_TRUE(write_file(folder() / "own.zip", ""));
    request_.variables["OPENCORE"] = folder() / "own.zip";
    EXPECT_EQ(named_opencore(request_)->at(0).path, folder() / "own.zip");
}

TEST(NamedFiles, AreThere) {
    const auto refusal = [](Variables variables) {
        const auto checked = check_named_files(variables);
        return checked ? std::string() : checked.error().message();
    };
    EXPECT_EQ(refusal({{"RECOVERY", ""}, {"OPENCORE", "/etc:/usr"}}), "");
    EXPECT_EQ(refusal({{"OPENCORE_SHA256", std::string(64, 'A')}}), "");
    EXPECT_THAT(refusal({{"OPENCORE_SHA256", std::string(63, 'a')}}),
                HasSubstr("OPENCORE_SHA256=aaa"));
    EXPECT_THAT(refusal({{"OPENCORE_SHA256", std::string(64, 'x')}}), HasSubstr("64 hexadecimal"));
    EXPECT_THAT(refusal({{"RECOVERY", "/etc"}}), HasSubstr("there is no file /etc"));
    EXPECT_THAT(refusal({{"OPENCORE", "/etc:/nowhere"}}), HasSubstr("there is no /nowhere"));
    EXPECT_THAT(refusal({{"OPENCORE_LIST", "a.csv"}}), HasSubstr("whole paths"));
    EXPECT_THAT(refusal({{"OPENCORE_LIST", "/dev/zero"}}), HasSubstr("no file /dev/zero"));
    EXPECT_THAT(refusal({{"OPENCORE_LIST", "/etc/passwd"}}), HasSubstr("/etc/passwd: line 2: "));
    EXPECT_THAT(refusal({{"OPENCORE_MIRROR", "here"}}), HasSubstr("the URL of a folder"));
}

TEST_F(OpenCoreSourcesTest, TakesOpenCoreFirst) {
    std::filesystem::create_directories(folder() / "opencore/Lilu");
    for (const auto* name : {"A.zip", "OpenCore-1.0.zip", "notes.txt"})
        ASSERT_TRUE(write_file(folder() / "opencore" / name, ""));
    const auto sources = named_opencore(request_).value();
    ASSERT_EQ(sources.size(), 3U);
    EXPECT_EQ(sources[0].path.filename(), "OpenCore-1.0.zip");
    EXPECT_EQ(sources[1].path.filename(), "A.zip");
    EXPECT_EQ(sources[2].path.filename(), "Lilu");
}

TEST_F(OpenCoreSourcesTest, TakesThoseThatAreNamed) {
    const auto first = folder() / "first";
    const auto second = folder() / "second";
    request_.variables = {{"OPENCORE", first.native() + ":" + second.native()},
                          {"OPENCORE_SHA256", std::string(64, 'a')}};
    ASSERT_TRUE(write_file(first, ""));
    EXPECT_THAT(named_opencore(request_).error().message(),
                HasSubstr("there is no " + second.native()));
    ASSERT_TRUE(write_file(second, ""));
    const auto sources = named_opencore(request_).value();
    ASSERT_EQ(sources.size(), 2U);
    EXPECT_EQ(sources[1].path, second);
    EXPECT_EQ(sources[0].sha256, std::string(64, 'a'));
    request_.variables["OPENCORE"] = "a.zip";
    EXPECT_THAT(named_opencore(request_).error().message(), HasSubstr("whole paths"));
}

}  // namespace
}  // namespace hako::macos
