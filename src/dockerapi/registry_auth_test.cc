#include "dockerapi/registry_auth.h"

#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

TEST(RegistryAuth, ReadsCredentials) {
    // {"username":"u","password":"p","serveraddress":"127.0.0.1:5000"}
    const auto auth = parse_registry_auth_header(
        "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAiLCJzZXJ2ZXJhZGRyZXNzIjoiMTI3LjAuMC4xOjUwMDAifQ==");
    ASSERT_TRUE(auth);
    EXPECT_EQ(auth->username, "u");
    EXPECT_EQ(auth->password, "p");
    EXPECT_EQ(auth->server, "127.0.0.1:5000");
    EXPECT_EQ(parse_registry_auth_header("").value().username, "");
    EXPECT_EQ(parse_registry_auth_header("e30=").value().username, "");
}

TEST(RegistryAuth, MalformedOnesAreRefusedWithoutRepeatingThem) {
    // "secret", {"password":["secret"]}
    for (const char* bad : {"c2VjcmV0", "eyJwYXNzd29yZCI6WyJzZWNyZXQiXX0=", "?"}) {
        const auto error = parse_registry_auth_header(bad).error();
        EXPECT_EQ(error.kind(), ErrorKind::invalid) << bad;
        EXPECT_EQ(error.message().find("secret"), std::string::npos) << error.message();
    }
}

}  // namespace
}  // namespace hako::dockerapi
