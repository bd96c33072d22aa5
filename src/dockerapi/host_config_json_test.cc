#include <gtest/gtest.h>

#include "dockerapi/container_json.h"

namespace hako::dockerapi {
namespace {

Json shown(std::string sent) {
    engine::Container container;
    container.host_config_json = std::move(sent);
    return host_config_details(container);
}

TEST(HostConfigJson, ShowsDockersDefaultsForWhatSaysNothing) {
    const Json nothing = shown("{}");
    EXPECT_EQ(nothing["ShmSize"], 64 * kMiB);
    EXPECT_EQ(nothing["LogConfig"], parse_json(R"({"Type":"json-file","Config":{}})").value());
    // As the docker CLI sends what its user left out.
    EXPECT_EQ(shown(R"({"ShmSize":0,"IpcMode":"","CgroupnsMode":"","MemorySwappiness":-1,
                        "OomKillDisable":false,"PidsLimit":0,"CapAdd":null,"Runtime":"",
                        "LogConfig":{"Type":"","Config":{}},"RestartPolicy":{"Name":"no",
                        "MaximumRetryCount":0},"Devices":[],"Tmpfs":{}})"),
              nothing);
}

TEST(HostConfigJson, ShowsWhatWasAsked) {
    const Json some = shown(R"({"Memory":1048576,"Init":false,"PidsLimit":5,"MaskedPaths":[],
                                "MemorySwap":-1})");
    EXPECT_EQ(some["Init"], false);
    EXPECT_EQ(some["PidsLimit"], 5);
    EXPECT_EQ(some["MaskedPaths"], Json::array());
    EXPECT_EQ(some["MemorySwap"], -1);
    EXPECT_EQ(shown(R"({"Memory":1048576})")["MemorySwap"], 1048576) << "a VM has no swap";
}

TEST(HostConfigJson, PrivilegedMasksNothing) {
    EXPECT_FALSE(shown("{}")["MaskedPaths"].empty());
    engine::Container container;
    container.host_config.privileged = true;
    container.host_config_json = R"({"Privileged":true})";
    EXPECT_EQ(host_config_details(container)["MaskedPaths"], nullptr);
    EXPECT_EQ(host_config_details(container)["ReadonlyPaths"], nullptr);
}

}  // namespace
}  // namespace hako::dockerapi
