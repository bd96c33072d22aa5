#include "oci/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "oci/client_fixture.h"

namespace hako::oci {
namespace {

using namespace testing;  // NOLINT: ours, below oci
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kAnnSecret = "Basic YW5uOnNlY3JldA==";

TEST(Authorizer, GetsATokenWithTheUsersNameAndUsesItAgain) {
    FakeServer token_server([](const FakeRequest& request) {
        EXPECT_EQ(request.target,
                  "/token?service=the%20registry&scope=repository%3Ateam%2Fapp%3Apull&account=ann");
        EXPECT_EQ(request.header("authorization"), kAnnSecret);
        return FakeResponse{200, R"({"token":"abc","expires_in":300})"};
    });
    FakeServer server([&](const FakeRequest& request) {
        if (request.header("authorization") == "Bearer abc") return FakeResponse{200, kManifest};
        return FakeResponse{
            401,
            "",
            {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() +
             "/token\",service=\"the registry\",scope=\"repository:team/app:pull\""}};
    });
    RegistryClient client(image_on(server.address()), {"ann", "secret"}, kQuick);
    const auto first = client.manifest("1", {});
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_TRUE(client.manifest("1", {}));
    EXPECT_EQ(token_server.requests().size(), 1U);
    for (const auto& request : server.requests())
        EXPECT_NE(request.header("authorization"), kAnnSecret);
}

TEST(Authorizer, AnIdentityTokenIsExchanged) {
    FakeServer token_server([](const FakeRequest& request) {
        EXPECT_EQ(request.method, "POST");
        EXPECT_THAT(request.body, AllOf(HasSubstr("grant_type=refresh_token"),
                                        HasSubstr("refresh_token=id%2Ftoken")));
        return FakeResponse{200, R"({"access_token":"abc"})"};
    });
    FakeServer server([&](const FakeRequest& request) {
        if (request.header("authorization") == "Bearer abc") return FakeResponse{200, kManifest};
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    });
    EXPECT_TRUE(fetch_manifest(server, {"", "", "id/token", ""}));
}

TEST(Authorizer, BasicIsSentWhenAskedForOnly) {
    FakeServer server([](const FakeRequest& request) {
        if (request.header("authorization") == kAnnSecret) return FakeResponse{200, kManifest};
        return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    EXPECT_TRUE(fetch_manifest(server, {"ann", "secret", "", ""}));
    EXPECT_EQ(server.requests().at(0).header("authorization"), "");
    const auto refused = fetch_manifest(server, {"ann", "wrong", "", ""});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::unauthorized);
}

TEST(Authorizer, CredentialsForAnotherRegistryStayHere) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    EXPECT_FALSE(fetch_manifest(server, {"ann", "secret", "", "https://index.docker.io/v1/"}));
    for (const auto& request : server.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST(Authorizer, UnauthorizedForEverEnds) {
    std::string realm;
    FakeServer server([&](const FakeRequest& request) {
        if (request.target.starts_with("/token")) return FakeResponse{200, R"({"token":"t"})"};
        auto response = registry_says(401, "UNAUTHORIZED", "authentication required");
        response.headers = {"WWW-Authenticate: Bearer realm=\"" + realm + "\""};
        return response;
    });
    realm = "http://" + server.address() + "/token";
    const auto manifest = fetch_manifest(server);
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::not_found);
    EXPECT_EQ(manifest.error().message(),
              "pull access denied for " + server.address() +
                  "/team/app, repository does not exist or may require 'docker login': "
                  "unauthorized: authentication required");
    EXPECT_LE(server.requests().size(), 4U);
}

TEST(Authorizer, RefusesATokenServerWithoutTls) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{401, "", {"WWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\""}};
    });
    const auto manifest = fetch_manifest(server, {"ann", "secret", "", ""});
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::forbidden);
}

TEST(Authorizer, ATokenThatRanOutIsReplaced) {
    std::atomic<int> tokens = 0;
    FakeServer token_server([&](const FakeRequest&) {
        return FakeResponse{200, "{\"token\":\"t" + std::to_string(++tokens) + "\"}"};
    });
    FakeServer server([&](const FakeRequest& request) {
        // Each token is good for one request.
        if (request.header("authorization") == "Bearer t" + std::to_string(tokens) &&
            request.target.ends_with(std::to_string(tokens)))
            return FakeResponse{200, kManifest};
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    });
    RegistryClient client(image_on(server.address()), {}, kQuick);
    EXPECT_TRUE(client.manifest("1", {}));
    EXPECT_TRUE(client.manifest("2", {}));
    EXPECT_EQ(tokens, 2);
}

TEST(Authorizer, ARegistryTokenIsSentAsItIs) {
    FakeServer server([](const FakeRequest& request) {
        return request.header("authorization") == "Bearer given" ? FakeResponse{200, kManifest}
                                                                 : FakeResponse{401};
    });
    EXPECT_TRUE(fetch_manifest(server, {.registry_token = "given"}));
    EXPECT_EQ(fetch_manifest(server, {.registry_token = "old"}).error().kind(),
              ErrorKind::unauthorized);
}

TEST(Authorizer, AnIdentityTokenDoesNotFollowARedirect) {
    FakeServer thief([](const FakeRequest&) { return FakeResponse{200, R"({"token":"x"})"}; });
    FakeServer token_server([&](const FakeRequest&) {
        return FakeResponse{307, "", {"Location: http://" + thief.address() + "/"}};
    });
    FakeServer server([&](const FakeRequest&) {
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    });
    const auto manifest = fetch_manifest(server, {.identity_token = "secret"});
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::forbidden);
    EXPECT_TRUE(thief.requests().empty());
}

TEST(Authorizer, RedirectsGetNoCredentials) {
    FakeServer storage([](const FakeRequest& request) {
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{200, kBlob};
    });
    FakeServer server([&](const FakeRequest& request) {
        if (request.header("authorization").empty())
            return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
        return FakeResponse{307, "", {"Location: http://" + storage.address() + "/blob"}};
    });
    const auto blob = fetch_blob(server.address(), {"ann", "secret"});
    ASSERT_TRUE(blob) << blob.error().message();
    EXPECT_EQ(*blob, kBlob);
    EXPECT_EQ(storage.requests().size(), 1U);
}

TEST(Authorizer, WhoARedirectLeadsToCannotAskForCredentials) {
    std::string thief_realm;
    FakeServer thief([&](const FakeRequest& request) {
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"" + thief_realm + "\", Basic realm=\"x\""}};
    });
    thief_realm = "http://" + thief.address() + "/token";
    FakeServer server([&](const FakeRequest&) {
        return FakeResponse{307, "", {"Location: http://" + thief.address() + "/blob"}};
    });
    EXPECT_FALSE(fetch_blob(server.address(), {"ann", "secret"}));
    EXPECT_EQ(thief.requests().size(), 1U);
}

}  // namespace
}  // namespace hako::oci
