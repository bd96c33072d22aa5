#include <gmock/gmock.h>

#include "dockerapi/api_fixture.h"

namespace hako::dockerapi {
namespace {

using VolumeRoutesTest = ApiTest;
using testing::HasSubstr;

TEST_F(VolumeRoutesTest, CreatesShowsAndRemoves) {
    const auto made =
        send("POST", "/volumes/create", R"({"Name":"data","Labels":{"a":"b"},"Driver":""})");
    EXPECT_EQ(made.status, 201);
    const auto json = get("/volumes/data");
    EXPECT_EQ(json["Name"], "data");
    EXPECT_EQ(json["Driver"], "local");
    EXPECT_EQ(json["Mountpoint"], "/volumes/data");
    EXPECT_EQ(json["Labels"]["a"], "b");
    EXPECT_EQ(json["Scope"], "local");
    EXPECT_EQ(get("/volumes")["Volumes"].size(), 1U);
    EXPECT_EQ(outcome("DELETE", "/volumes/data"), "204");
    EXPECT_EQ(outcome("GET", "/volumes/data"), "404 get data: no such volume");
}

TEST_F(VolumeRoutesTest, Filters) {
    send("POST", "/volumes/create", R"({"Name":"used","Labels":{"a":"b"}})");
    send("POST", "/volumes/create", R"({"Name":"disk","Driver":"block"})");
    volumes_.use("used");
    const auto names = [&](const std::string& filters) {
        std::string all;
        const Json list = get("/volumes?filters=" + filters);
        for (const auto& volume : list["Volumes"]) all += volume["Name"].get<std::string>() + " ";
        return all;
    };
    EXPECT_EQ(names(R"(%7B%22dangling%22:%5B%22true%22%5D%7D)"), "disk ");
    EXPECT_EQ(names(R"(%7B%22driver%22:%5B%22local%22%5D%7D)"), "used ");
    EXPECT_EQ(names(R"(%7B%22label%22:%5B%22a=b%22%5D%7D)"), "used ");
    EXPECT_EQ(names(R"(%7B%22name%22:%5B%22is%22%5D%7D)"), "disk ");
    EXPECT_THAT(outcome("GET", "/volumes?filters=%7B%22colour%22:%5B%22red%22%5D%7D"),
                HasSubstr("400 "));
    EXPECT_EQ(names(R"(%7B%22dangling%22:%5B%22false%22%5D%7D)"), "used ");
    const std::string maybe = "?filters=%7B%22dangling%22:%5B%22maybe%22%5D%7D";
    EXPECT_EQ(outcome("GET", "/volumes" + maybe),
              "400 invalid filter 'dangling=maybe': true or false is expected");
    EXPECT_EQ(outcome("GET", "/networks" + maybe), outcome("GET", "/volumes" + maybe));
    EXPECT_THAT(outcome("POST", "/volumes/prune?filters=%7B%22all%22:%5B%22maybe%22%5D%7D"),
                HasSubstr("400 invalid filter 'all=maybe'"));
}

TEST_F(VolumeRoutesTest, UsedVolumesStay) {
    send("POST", "/volumes/create", R"({"Name":"used"})");
    volumes_.use("used");
    EXPECT_EQ(outcome("DELETE", "/volumes/used"), "409 remove used: volume is in use - [web]");
    EXPECT_EQ(outcome("POST", "/volumes/create", R"({"Name":"../x"})").substr(0, 3), "400");
    EXPECT_EQ(
        outcome("POST", "/volumes/create", R"({"Name":"c","ClusterVolumeSpec":{}})").substr(0, 3),
        "501");
}

TEST_F(VolumeRoutesTest, PruneRemovesNamedOnesOnlyWhereAsked) {
    send("POST", "/volumes/create", R"({"Name":"named"})");
    const auto prune = [&](const std::string& target) {
        return parse_json(send("POST", target).body).value_or(Json());
    };
    EXPECT_EQ(prune("/v1.42/volumes/prune")["VolumesDeleted"], Json::array());
    EXPECT_EQ(prune("/v1.41/volumes/prune")["VolumesDeleted"], Json({"named"}));
    send("POST", "/volumes/create", R"({"Name":"named"})");
    EXPECT_EQ(prune("/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D")["VolumesDeleted"],
              Json({"named"}));
}

TEST_F(VolumeRoutesTest, DiskUsageCountsThem) {
    send("POST", "/volumes/create", R"({"Name":"data"})");
    const auto usage = get("/system/df?type=volume");
    EXPECT_EQ(usage["Volumes"][0]["UsageData"]["Size"], 4096);
    EXPECT_EQ(usage["Volumes"][0]["UsageData"]["RefCount"], 0);
}

TEST_F(VolumeRoutesTest, ContainersSayWhatTheyMount) {
    const auto mounts = [&](const std::string& host) {
        return outcome("POST", "/containers/create",
                       R"({"Image":"busybox","HostConfig":)" + host + "}");
    };
    EXPECT_THAT(mounts(R"({"Binds":["/a"]})"), HasSubstr("400 invalid volume specification: '/a'"));
    EXPECT_THAT(mounts(R"({"Binds":["/a:/b:fast"]})"), HasSubstr("invalid mode: fast"));
    EXPECT_THAT(mounts(R"({"Binds":["/a:/b:z,ro,rw"]})"),
                HasSubstr("invalid mode: rw: access is said twice"));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"bind","Target":"/b"}]})"),
                HasSubstr("field Source must not be empty"));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"npipe","Target":"/b"}]})"), HasSubstr("501 "));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"moon","Target":"/b"}]})"),
                HasSubstr("mount type unknown"));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"bind","Source":"/a","Target":"/b",)"
                       R"("BindOptions":{"NonRecursive":true}}]})"),
                HasSubstr("bind-recursive=disabled is not offered"));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"volume"}]})"),
                HasSubstr("field Target must not be empty"));
    EXPECT_THAT(mounts(R"({"Mounts":[{"Type":"image","Target":"/b"}]})"),
                HasSubstr("field Source must not be empty"));
    for (const char* subpath : {"/bin", "a/../../bin", ".."})
        EXPECT_THAT(mounts(fmt::format(R"({{"Mounts":[{{"Type":"image","Source":"busybox",)"
                                       R"("Target":"/b","ImageOptions":{{"Subpath":"{}"}}}}]}})",
                                       subpath)),
                    HasSubstr("the subpath must"));
    EXPECT_EQ(mounts(R"({"Binds":["/a:/b:ro,z","data:/c"],"Mounts":[{"Type":"tmpfs",)"
                     R"("Target":"/t","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}},)"
                     R"({"Type":"image","Source":"busybox","Target":"/i",)"
                     R"("ImageOptions":{"Subpath":"a/../..b"}}]})"),
              "201 ");
    const auto request = containers_.last_create;
    ASSERT_EQ(request.host_config.mounts.size(), 4U);
    EXPECT_TRUE(request.host_config.mounts[0].read_only);
    EXPECT_EQ(request.host_config.mounts[0].mode, "ro,z");
    EXPECT_EQ(request.host_config.mounts[1].source, "data");
    EXPECT_EQ(request.host_config.mounts[2].tmpfs_mode, 0700);
    EXPECT_EQ(request.host_config.mounts[3].subpath, "a/../..b");
}

}  // namespace
}  // namespace hako::dockerapi
