#include "oci/registry_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/fake_server.h"
#include "oci/registry_login.h"

namespace hako::oci {
namespace {

using ::testing::ElementsAre;
using testing::FakeRequest;
using testing::FakeResponse;
using testing::FakeServer;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const RegistryOptions kQuick{.attempts = 2, .backoff = std::chrono::milliseconds(1)};

Reference image_on(const FakeServer& server) {
    return *Reference::parse(server.address() + "/team/app:1");
}

TEST(RegistryListing, FollowsThePages) {
    FakeServer server([](const FakeRequest& request) -> FakeResponse {
        if (request.target == "/v2/team/app/tags/list")
            return {200,
                    R"({"name":"team/app","tags":["1","2"]})",
                    {"Link: </v2/team/app/tags/list?last=2&n=2>; rel=\"next\""}};
        if (request.target == "/v2/team/app/tags/list?last=2&n=2")
            return {200, R"({"tags":["3"]})"};
        if (request.target == "/v2/_catalog") return {200, R"({"repositories":["a","b/c"]})"};
        return {404};
    });
    EXPECT_THAT(list_tags(image_on(server), {}, kQuick, {}).value(), ElementsAre("1", "2", "3"));
    EXPECT_THAT(list_repositories(server.address(), {}, kQuick, {}).value(),
                ElementsAre("a", "b/c"));
}

TEST(RegistryListing, PagesWithoutEndEnd) {
    FakeServer server([](const FakeRequest& request) -> FakeResponse {
        std::string tags = "\"x\"";
        for (int i = 1; i < 20'000; ++i) tags += ",\"x\"";
        return {200, "{\"tags\":[" + tags + "]}", {"Link: <" + request.target + ">; rel=\"next\""}};
    });
    EXPECT_EQ(list_tags(image_on(server), {}, kQuick, {}).error().kind(), ErrorKind::too_large);
}

TEST(RegistryListing, FindsWhatRefersToAnImage) {
    const auto manifest = Digest::of({});
    const std::string index = R"({"schemaVersion":2,"manifests":[{"mediaType":"m","digest":")" +
                              manifest.text() + R"(","size":5,"artifactType":"signature"}]})";
    bool old_registry = false;
    FakeServer server([&](const FakeRequest& request) -> FakeResponse {
        const auto wanted = old_registry ? "/v2/team/app/manifests/sha256-" + manifest.hex
                                         : "/v2/team/app/referrers/" + manifest.text();
        return request.target == wanted ? FakeResponse{200, index} : FakeResponse{404};
    });
    for (const bool is_old : {false, true}) {
        old_registry = is_old;
        const auto found = list_referrers(image_on(server), manifest, {}, kQuick, {});
        ASSERT_TRUE(found) << found.error().message();
        ASSERT_EQ(found->size(), 1U);
        EXPECT_EQ(found->front().artifact_type, "signature");
    }
    FakeServer none([](const FakeRequest&) { return FakeResponse{404}; });
    EXPECT_THAT(list_referrers(image_on(none), manifest, {}, kQuick, {}).value(), IsEmpty());
}

TEST(RegistryLogin, TakesWhatTheRegistryTakes) {
    FakeServer server([](const FakeRequest& request) -> FakeResponse {
        if (request.header("authorization") == "Basic YW5uOnNlY3JldA==") return {200, "{}"};
        return {401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    EXPECT_EQ(
        log_in({.username = "ann", .password = "secret", .server = server.address()}, kQuick, {})
            .value(),
        "");
    const auto refused =
        log_in({.username = "ann", .password = "wrong", .server = server.address()}, kQuick, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::unauthorized);
    EXPECT_THAT(refused.error().message(), HasSubstr(server.address()));
}

TEST(RegistryLogin, BringsAnIdentityToken) {
    FakeServer token_server([](const FakeRequest& request) -> FakeResponse {
        EXPECT_THAT(request.target, HasSubstr("offline_token=true"));
        return {200, R"({"token":"abc","refresh_token":"lasting"})"};
    });
    FakeServer server([&](const FakeRequest& request) -> FakeResponse {
        if (request.header("authorization") == "Bearer abc") return {200, "{}"};
        return {
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    });
    EXPECT_EQ(
        log_in({.username = "ann", .password = "secret", .server = server.address()}, kQuick, {})
            .value(),
        "lasting");
}

}  // namespace
}  // namespace hako::oci
