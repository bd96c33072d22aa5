#include "oci/registry_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "oci/client_fixture.h"

namespace hako::oci {
namespace {

using namespace testing;  // NOLINT: ours, below oci
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
    const auto blob = fetch_blob(server.address());
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
    EXPECT_EQ(*fetch_blob(server.address()), kBlob);
}

TEST(RegistryClient, ADownloadThatNeverGetsOnEnds) {
    FakeServer server([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .cut_after = 10};
    });
    const auto blob = fetch_blob(server.address());
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().kind(), ErrorKind::unavailable);
    EXPECT_EQ(server.requests().size(), 3U);
}

TEST(RegistryClient, LiesAboutTheLengthAreFound) {
    FakeServer shorter([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob.substr(0, 1000)};
    });
    EXPECT_EQ(fetch_blob(shorter.address()).error().kind(), ErrorKind::corrupt);
    FakeServer longer([](const FakeRequest&) { return FakeResponse{200, kBlob + "more"}; });
    EXPECT_EQ(fetch_blob(longer.address()).error().kind(), ErrorKind::corrupt);
    FakeServer promises_more([](const FakeRequest&) {
        return FakeResponse{.status = 200, .body = kBlob, .said_length = kBlob.size() + 100};
    });
    EXPECT_EQ(fetch_blob(promises_more.address()).error().kind(), ErrorKind::corrupt);
}

TEST(RegistryClient, RedirectsInALoopEnd) {
    FakeServer server([](const FakeRequest& request) {
        return FakeResponse{302, "", {"Location: " + request.target}};
    });
    const auto blob = fetch_blob(server.address());
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
    TextWriter sink;
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
    const auto blob = fetch_blob(server.address(), {}, kQuick, stop.get_token());
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().kind(), ErrorKind::cancelled);
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
    TextWriter sink;
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

}  // namespace
}  // namespace hako::oci
