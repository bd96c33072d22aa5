#include <gmock/gmock.h>

#include "dockerapi/api_fixture.h"
#include "oci/fake_server.h"

namespace hako::dockerapi {
namespace {

using oci::testing::FakeRequest;
using oci::testing::FakeResponse;
using oci::testing::FakeServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using RegistryRoutes = ApiTest;

TEST_F(RegistryRoutes, CredentialsAreChecked) {
    FakeServer registry([](const FakeRequest& request) -> FakeResponse {
        if (request.header("authorization") == "Basic YW5uOnNlY3JldA==") return {200, "{}"};
        return {401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    const auto body = [&](const char* password) {
        return dump_json({{"username", "ann"},
                          {"password", password},
                          {"serveraddress", "http://" + registry.address() + "/v1/"}});
    };
    const auto good = send("POST", "/auth", body("secret"));
    EXPECT_EQ(good.status, 200);
    EXPECT_EQ(parse_json(good.body).value(),
              (Json{{"Status", "Login Succeeded"}, {"IdentityToken", ""}}));
    EXPECT_THAT(outcome("POST", "/auth", body("wrong")),
                StartsWith("401 registry " + registry.address()));
    EXPECT_THAT(outcome("POST", "/auth", "{\"password\":[]}"), StartsWith("400 "));
}

TEST_F(RegistryRoutes, TellWhatARegistryHas) {
    const std::string config =
        R"({"architecture":"arm64","os":"linux","rootfs":{"type":"layers"}})";
    const auto manifest = oci::write_manifest({{std::string(oci::media_type::oci_config),
                                                oci::Digest::of(as_bytes(config)), config.size()},
                                               {}});
    const auto digest = oci::Digest::of(as_bytes(manifest)).text();
    FakeServer registry([&](const FakeRequest& request) -> FakeResponse {
        const std::string_view target = request.target;
        if (target == "/v2/app/manifests/1")
            return {
                200, manifest, {fmt::format("Content-Type: {}", oci::media_type::oci_manifest)}};
        if (target.starts_with("/v2/app/blobs/")) return {200, config};
        if (target == "/v2/app/tags/list") return {200, R"({"tags":["1"]})"};
        if (target == "/v2/_catalog") return {200, R"({"repositories":["app"]})"};
        return {404};
    });
    const auto name = registry.address() + "/app:1";
    const auto told = get("/distribution/" + name + "/json");
    EXPECT_EQ(told["Descriptor"]["digest"], digest);
    EXPECT_EQ(told["Platforms"], (Json{{{"architecture", "arm64"}, {"os", "linux"}}}));
    EXPECT_EQ(get("/hako/v1/registry/tags?name=" + name)["Tags"], Json::array({"1"}));
    EXPECT_EQ(get("/hako/v1/registry/repositories?registry=" + registry.address())["Repositories"],
              Json::array({"app"}));
    const auto referrers = get("/hako/v1/registry/referrers?name=" + name);
    EXPECT_EQ(referrers["Digest"], digest);
    EXPECT_EQ(referrers["Referrers"], Json::array());
    EXPECT_THAT(outcome("GET", "/distribution/" + registry.address() + "/none:1/json"),
                StartsWith("404 "));
    EXPECT_THAT(outcome("GET", "/hako/v1/registry/repositories?registry=a/b"), StartsWith("400 "));
}

TEST_F(RegistryRoutes, PushesOneTagOrAll) {
    images_.progress = {{.id = "layer", .status = "Pushed"},
                        {.id = {}, .status = {}, .result = {{"Tag", "1"}}}};
    const auto one = send("POST", "/images/busybox/push?tag=1");
    EXPECT_EQ(one.status, 200);
    EXPECT_THAT(one.body, HasSubstr("\"status\":\"Pushed\""));
    EXPECT_THAT(one.body, HasSubstr("{\"aux\":{\"Tag\":\"1\"},\"progressDetail\":{}}"));
    EXPECT_EQ(send("POST", "/images/busybox/push").status, 200);
    EXPECT_EQ(send("POST", "/images/docker.io/library/busybox:2/push").status, 200);
    EXPECT_THAT(images_.pushed, ElementsAre("busybox:1", "busybox:latest", "busybox:2"));
    EXPECT_THAT(outcome("POST", "/images/nothing/push"), StartsWith("404 An image does not exist"));
    EXPECT_THAT(outcome("POST", "/images/busybox/push?tag=sha256:" + std::string(64, '0')),
                StartsWith("400 "));
}

}  // namespace
}  // namespace hako::dockerapi
