#include "dockerapi/version.h"

#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

TEST(Version, IsTakenOffThePath) {
    const auto versioned = split_version("/v1.43/containers/json");
    EXPECT_EQ(versioned.version, (ApiVersion{1, 43}));
    EXPECT_EQ(versioned.path, "/containers/json");
    for (const char* path : {"/containers/json", "/v1.43", "/v1/x", "/v.4/x", "/v1.x/y", "/v-1.4/y",
                             "/volumes", "/v1.43x/y", "/v99999.1/x"}) {
        EXPECT_FALSE(split_version(path).version) << path;
        EXPECT_EQ(split_version(path).path, path);
    }
}

TEST(Version, OutOfRangeNamesBoth) {
    EXPECT_TRUE(check_version({1, 24}));
    EXPECT_TRUE(check_version({1, 50}));
    EXPECT_EQ(check_version({1, 99}).error().message(),
              "client version 1.99 is too new. Maximum supported API version is 1.50");
    EXPECT_EQ(check_version({2, 0}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(
        check_version({1, 9}).error().message(),
        "client version 1.9 is too old. Minimum supported API version is 1.24, please upgrade "
        "your client to a newer version");
}

}  // namespace
}  // namespace hako::dockerapi
