#include "oci/registry_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/json.h"
#include "oci/fake_server.h"

namespace hako::oci {
namespace {

using ::testing::AllOf;
using testing::FakeRequest;
using testing::FakeResponse;
using testing::FakeServer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const RegistryOptions kQuick{.connect_timeout = std::chrono::milliseconds(2000),
                             .stall_timeout = std::chrono::seconds(2),
                             .attempts = 3,
                             .backoff = std::chrono::milliseconds(1)};

class Text : public Writer {
public:
    Result<void> write(std::span<const std::byte> data) override {
        text += as_text(data);
        return {};
    }
    std::string text;
};

Reference image_on(const std::string& address, const std::string& rest = "/team/app:1") {
    return *Reference::parse(address + rest);
}

const std::string kManifest =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"})";
const std::string kBlob(300'000, 'b');
const Descriptor kDescriptor{"", Digest::of(as_bytes(kBlob)), kBlob.size()};

FakeResponse registry_says(int status, const std::string& code, const std::string& message) {
    return {status,
            dump_json(Json{{"errors", Json::array({{{"code", code}, {"message", message}}})}})};
}

Result<FetchedManifest> fetch_manifest(const FakeServer& server, RegistryAuth auth = {}) {
    RegistryClient client(image_on(server.address()), std::move(auth), kQuick);
    return client.manifest("1", {});
}

Result<std::string> fetch_blob(const FakeServer& server, std::stop_token stop = {},
                               RegistryAuth auth = {}) {
    RegistryClient client(image_on(server.address()), std::move(auth), kQuick);
    Text sink;
    HAKO_CHECK(client.blob(kDescriptor, sink, std::move(stop)));
    return sink.text;
}

std::string base64_of_ann_secret() { return "Basic YW5uOnNlY3JldA=="; }

TEST(RegistryClient, AsksForAManifestOfAnyKindByTag) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{
            200, kManifest, {"Content-Type: application/vnd.oci.image.manifest.v1+json; x=y"}};
    });
    const auto manifest = fetch_manifest(server);
    ASSERT_TRUE(manifest) << manifest.error().message();
    EXPECT_EQ(manifest->bytes, kManifest);
    EXPECT_EQ(manifest->media_type, media_type::oci_manifest);
    EXPECT_EQ(manifest->digest, Digest::of(as_bytes(kManifest)));
    EXPECT_EQ(server.requests().at(0).target, "/v2/team/app/manifests/1");
    EXPECT_EQ(server.requests().at(0).header("authorization"), "");
}

TEST(RegistryClient, AManifestMustHaveTheDigestThatWasAskedFor) {
    FakeServer server([](const FakeRequest&) { return FakeResponse{200, kManifest}; });
    RegistryClient client(image_on(server.address()), {}, kQuick);
    EXPECT_TRUE(client.manifest(Digest::of(as_bytes(kManifest)).text(), {}));
    const auto wrong = client.manifest(Digest::of(as_bytes(kBlob)).text(), {});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().kind(), ErrorKind::corrupt);
}

TEST(RegistryClient, RefusesAHugeManifest) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{200, std::string(kMaxManifestBytes + 1, ' ')};
    });
    const auto manifest = fetch_manifest(server);
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::too_large);
}

TEST(RegistryClient, GetsATokenWithTheUsersNameAndUsesItAgain) {
    FakeServer token_server([](const FakeRequest& request) {
        EXPECT_EQ(request.target,
                  "/token?service=the%20registry&scope=repository%3Ateam%2Fapp%3Apull&account=ann");
        EXPECT_EQ(request.header("authorization"), base64_of_ann_secret());
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
        EXPECT_NE(request.header("authorization"), base64_of_ann_secret());
}

TEST(RegistryClient, AnIdentityTokenIsExchanged) {
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

TEST(RegistryClient, BasicIsSentWhenAskedForOnly) {
    FakeServer server([](const FakeRequest& request) {
        if (request.header("authorization") == base64_of_ann_secret())
            return FakeResponse{200, kManifest};
        return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    EXPECT_TRUE(fetch_manifest(server, {"ann", "secret", "", ""}));
    EXPECT_EQ(server.requests().at(0).header("authorization"), "");
    const auto refused = fetch_manifest(server, {"ann", "wrong", "", ""});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::unauthorized);
}

TEST(RegistryClient, CredentialsForAnotherRegistryStayHere) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    EXPECT_FALSE(fetch_manifest(server, {"ann", "secret", "", "https://index.docker.io/v1/"}));
    for (const auto& request : server.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST(RegistryClient, UnauthorizedForEverEnds) {
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

TEST(RegistryClient, RefusesATokenServerWithoutTls) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{401, "", {"WWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\""}};
    });
    const auto manifest = fetch_manifest(server, {"ann", "secret", "", ""});
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::forbidden);
}

TEST(RegistryClient, UnknownManifestsAreNamedAsDockerDoes) {
    FakeServer server([](const FakeRequest&) {
        return registry_says(404, "MANIFEST_UNKNOWN", "manifest unknown");
    });
    const auto manifest = fetch_manifest(server);
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::not_found);
    EXPECT_EQ(manifest.error().message(), "manifest for " + server.address() +
                                              "/team/app:1 not found: manifest unknown: "
                                              "manifest unknown");
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST(RegistryClient, TriesAgainWhenTheRegistryIsBusy) {
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest&) {
        return ++count < 3 ? FakeResponse{429, "", {"Retry-After: 0"}}
                           : FakeResponse{200, kManifest};
    });
    EXPECT_TRUE(fetch_manifest(server));
    EXPECT_EQ(count, 3);
}

TEST(RegistryClient, GivesUpOnARegistryThatStaysBroken) {
    for (const int status : {429, 500, 503}) {
        FakeServer server([&](const FakeRequest&) { return FakeResponse{status}; });
        const auto manifest = fetch_manifest(server);
        ASSERT_FALSE(manifest);
        EXPECT_EQ(manifest.error().kind(), ErrorKind::unavailable);
        EXPECT_THAT(manifest.error().message(),
                    AllOf(HasSubstr(server.address()), HasSubstr(std::to_string(status))));
        EXPECT_EQ(server.requests().size(), 3U);
    }
}

TEST(RegistryClient, NoRegistryIsAnErrorAtOnce) {
    std::string address;
    {
        FakeServer server([](const FakeRequest&) { return FakeResponse{}; });
        address = server.address();
    }
    RegistryClient client(image_on(address), {}, kQuick);
    const auto manifest = client.manifest("1", {});
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().kind(), ErrorKind::unavailable);
    EXPECT_THAT(manifest.error().message(), StartsWith("registry " + address));
}

TEST(RegistryClient, ABrokenDownloadIsResumedWhereItBroke) {
    FakeServer server([](const FakeRequest& request) {
        const auto range = request.header("range");
        if (range.empty()) return FakeResponse{.status = 200, .body = kBlob, .cut_after = 100'000};
        const auto begin = std::stoul(range.substr(6));
        return FakeResponse{
            .status = 206,
            .body = kBlob.substr(begin),
            .headers = {"Content-Range: bytes " + std::to_string(begin) + "-299999/300000"},
            .cut_after = 100'000};
    });
    const auto blob = fetch_blob(server);
    ASSERT_TRUE(blob) << blob.error().message();
    EXPECT_EQ(*blob, kBlob);
    EXPECT_EQ(server.requests().size(), 3U);
}

TEST(RegistryClient, AServerWithoutRangesSendsAllAgain) {
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest&) {
        FakeResponse response{200, kBlob};
        if (++count == 1) response.cut_after = 100'000;
        return response;
    });
    EXPECT_EQ(*fetch_blob(server), kBlob);
}

TEST(RegistryClient, ADownloadThatNeverGetsOnEnds) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .cut_after = 10};
    });
    const auto blob = fetch_blob(server);
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().kind(), ErrorKind::unavailable);
    EXPECT_EQ(server.requests().size(), 3U);
}

TEST(RegistryClient, LiesAboutTheLengthAreFound) {
    FakeServer shorter([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob.substr(0, 1000)};
    });
    EXPECT_EQ(fetch_blob(shorter).error().kind(), ErrorKind::corrupt);
    FakeServer longer([](const FakeRequest&) { return FakeResponse{200, kBlob + "more"}; });
    EXPECT_EQ(fetch_blob(longer).error().kind(), ErrorKind::corrupt);
    FakeServer promises_more([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .said_length = kBlob.size() + 100};
    });
    EXPECT_EQ(fetch_blob(promises_more).error().kind(), ErrorKind::corrupt);
}

TEST(RegistryClient, RedirectsGetNoCredentials) {
    FakeServer storage([](const FakeRequest& request) {
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{200, kBlob};
    });
    FakeServer server([&](const FakeRequest& request) {
        if (request.header("authorization").empty())
            return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
        return FakeResponse{307, "", {"Location: http://" + storage.address() + "/blob"}};
    });
    const auto blob = fetch_blob(server, {}, {"ann", "secret", "", ""});
    ASSERT_TRUE(blob) << blob.error().message();
    EXPECT_EQ(*blob, kBlob);
    EXPECT_EQ(storage.requests().size(), 1U);
}

TEST(RegistryClient, RedirectsInALoopEnd) {
    FakeServer server([](const FakeRequest& request) {
        return FakeResponse{302, "", {"Location: " + request.target}};
    });
    const auto blob = fetch_blob(server);
    ASSERT_FALSE(blob);
    EXPECT_THAT(blob.error().message(), HasSubstr("redirects"));
}

TEST(RegistryClient, AHangingRegistryIsLeftAfterTheTimeOut) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .cut_after = 5, .hang = true};
    });
    auto options = kQuick;
    options.stall_timeout = std::chrono::seconds(1);
    options.attempts = 1;
    RegistryClient client(image_on(server.address()), {}, options);
    Text sink;
    const auto blob = client.blob(kDescriptor, sink, {});
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().kind(), ErrorKind::deadline);
}

TEST(RegistryClient, StopsWhenTold) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .cut_after = 5, .hang = true};
    });
    std::stop_source stop;
    std::jthread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        stop.request_stop();
    });
    const auto blob = fetch_blob(server, stop.get_token());
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().kind(), ErrorKind::cancelled);
}

TEST(RegistryClient, ATokenThatRanOutIsReplaced) {
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

TEST(RegistryClient, ARegistryTokenIsSentAsItIs) {
    FakeServer server([](const FakeRequest& request) {
        return request.header("authorization") == "Bearer given" ? FakeResponse{200, kManifest}
                                                                 : FakeResponse{401};
    });
    EXPECT_TRUE(fetch_manifest(server, {.registry_token = "given"}));
    EXPECT_EQ(fetch_manifest(server, {.registry_token = "old"}).error().kind(),
              ErrorKind::unauthorized);
}

TEST(RegistryClient, AnIdentityTokenDoesNotFollowARedirect) {
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

TEST(RegistryClient, AnswersThatAreNestedTooDeepAreNoAnswers) {
    const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
    FakeServer server([&](const FakeRequest&) { return FakeResponse{404, deep}; });
    EXPECT_EQ(fetch_manifest(server).error().kind(), ErrorKind::not_found);
    FakeServer token_server([&](const FakeRequest&) { return FakeResponse{200, deep}; });
    FakeServer guarded([&](const FakeRequest&) {
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    });
    EXPECT_FALSE(fetch_manifest(guarded));
    EXPECT_FALSE(parse_manifest("{\"a\":" + deep + "}", {}));
}

TEST(RegistryClient, AManifestOf50MegabytesIsNotReadToItsEnd) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{200, std::string(50U << 20U, ' ')};
    });
    EXPECT_EQ(fetch_manifest(server).error().kind(), ErrorKind::too_large);
}

TEST(RegistryClient, AnErrorWithoutEndEnds) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{400, std::string(8U << 20U, 'x'), {}, {}, std::size_t{1} << 40U};
    });
    EXPECT_EQ(fetch_manifest(server).error().kind(), ErrorKind::invalid);
}

TEST(RegistryClient, TenBrokenConnectionsDoNotStopADownloadThatGetsOn) {
    const std::string blob(3U << 20U, 'b');
    FakeServer server([&](const FakeRequest& request) {
        const auto range = request.header("range");
        const auto begin = range.empty() ? 0 : std::stoul(range.substr(6));
        return FakeResponse{.status = range.empty() ? 200 : 206,
                            .body = blob.substr(begin),
                            .headers = {"Content-Range: bytes " + std::to_string(begin) + "-"},
                            .cut_after = 300'000};
    });
    RegistryClient client(image_on(server.address()), {}, kQuick);
    Text sink;
    const auto fetched = client.blob({"", Digest::of(as_bytes(blob)), blob.size()}, sink, {});
    ASSERT_TRUE(fetched) << fetched.error().message();
    EXPECT_EQ(sink.text, blob);
    EXPECT_EQ(server.requests().size(), 11U);
}

TEST(RegistryClient, RetryAfterMayBeADateButNotForEver) {
    for (const char* after : {"3600", "Fri, 01 Jan 2100 00:00:00 GMT"}) {
        FakeServer server([&](const FakeRequest&) {
            return FakeResponse{429, "", {std::string("Retry-After: ") + after}};
        });
        const auto manifest = fetch_manifest(server);
        ASSERT_FALSE(manifest);
        EXPECT_THAT(manifest.error().message(), AllOf(HasSubstr("429"), HasSubstr("seconds")));
        EXPECT_EQ(server.requests().size(), 1U) << after;
    }
}

Result<std::string> fetch_blob_with(const RegistryOptions& options, const std::string& address) {
    RegistryClient client(image_on(address), {"ann", "secret"}, options);
    Text sink;
    HAKO_CHECK(client.blob(kDescriptor, sink, {}));
    return sink.text;
}

TEST(RegistryClient, MirrorsComeFirstAndGetNoCredentials) {
    FakeServer mirror([](const FakeRequest& request) {
        EXPECT_TRUE(request.target.starts_with("/cache/v2/team/app/blobs/")) << request.target;
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{200, kBlob};
    });
    FakeServer server([](const FakeRequest&) { return FakeResponse{500}; });
    auto options = kQuick;
    options.mirrors[server.address()] = {"http://" + mirror.address() + "/cache/"};
    EXPECT_EQ(fetch_blob_with(options, server.address()).value(), kBlob);
    EXPECT_TRUE(server.requests().empty());
}

TEST(RegistryClient, AMirrorThatFailsIsPassedOver) {
    FakeServer wants_login([](const FakeRequest&) {
        return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
    });
    FakeServer breaks([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .cut_after = 100'000};
    });
    FakeServer server([](const FakeRequest& request) {
        EXPECT_EQ(request.header("range"), "bytes=100000-");
        return FakeResponse{
            206, kBlob.substr(100'000), {"Content-Range: bytes 100000-299999/300000"}};
    });
    auto options = kQuick;
    options.mirrors[server.address()] = {"http://127.0.0.1:1", "http://" + wants_login.address(),
                                         "http://" + breaks.address()};
    EXPECT_EQ(fetch_blob_with(options, server.address()).value(), kBlob);
    for (const auto& request : wants_login.requests())
        EXPECT_EQ(request.header("authorization"), "");
}

TEST(RegistryClient, AMirrorThatIsDownIsAskedOnce) {
    std::atomic<int> asked = 0;
    FakeServer mirror([&](const FakeRequest&) {
        ++asked;
        return FakeResponse{503};
    });
    FakeServer server([](const FakeRequest&) { return FakeResponse{200, kManifest}; });
    auto options = kQuick;
    options.mirrors[server.address()] = {"http://" + mirror.address()};
    RegistryClient client(image_on(server.address()), {}, options);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.manifest("1", {}));
    EXPECT_EQ(asked, 1);
}

TEST(RegistryClient, GoesThroughAProxyUnlessAnExceptionSaysNo) {
    FakeServer proxy([](const FakeRequest& request) {
        EXPECT_EQ(request.target, "http://registry.invalid/v2/team/app/manifests/1");
        return FakeResponse{200, kManifest};
    });
    auto options = kQuick;
    options.attempts = 1;
    options.mirrors["registry.invalid"] = {"http://registry.invalid"};
    options.proxies.http = "http://" + proxy.address();
    RegistryClient client(image_on("registry.invalid"), {}, options);
    const auto manifest = client.manifest("1", {});
    ASSERT_TRUE(manifest) << manifest.error().message();
    EXPECT_EQ(proxy.requests().size(), 1U);

    options.proxies.exceptions = "example,.invalid";
    RegistryClient direct(image_on("registry.invalid"), {}, options);
    EXPECT_FALSE(direct.manifest("1", {}));
    EXPECT_EQ(proxy.requests().size(), 1U);
}

TEST(RegistryClient, WithoutTlsOnlyWhereThatIsAllowed) {
    FakeServer proxy([](const FakeRequest& request) {
        // What a proxy is asked for HTTPS: a tunnel, which this one cannot make.
        return request.method == "CONNECT" ? FakeResponse{.drop = true}
                                           : FakeResponse{200, kManifest};
    });
    auto options = kQuick;
    options.attempts = 1;
    options.proxies = {"http://" + proxy.address(), "http://" + proxy.address(), ""};
    RegistryClient strict(image_on("registry.invalid:80"), {}, options);
    EXPECT_FALSE(strict.manifest("1", {}));
    for (const auto& request : proxy.requests()) EXPECT_EQ(request.method, "CONNECT");

    options.insecure = {"registry.invalid:80"};
    RegistryClient lax(image_on("registry.invalid:80"), {}, options);
    const auto manifest = lax.manifest("1", {});
    EXPECT_TRUE(manifest) << manifest.error().message();
}

}  // namespace
}  // namespace hako::oci
