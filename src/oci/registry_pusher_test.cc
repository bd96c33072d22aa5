#include "oci/registry_pusher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/guarded.h"
#include "http/url.h"
#include "oci/fake_server.h"

namespace hako::oci {
namespace {

using ::testing::ElementsAre;
using testing::FakeRequest;
using testing::FakeResponse;
using testing::FakeServer;
using ::testing::HasSubstr;

const RegistryOptions kQuick{.connect_timeout = std::chrono::milliseconds(2000),
                             .stall_timeout = std::chrono::seconds(2),
                             .attempts = 3,
                             .backoff = std::chrono::milliseconds(1),
                             .upload_chunk = 1000};

const std::string kBlob = [] {
    std::string text;
    for (int i = 0; text.size() < 2500; ++i) text += std::to_string(i) + " ";
    return text.substr(0, 2500);
}();
const Descriptor kDescriptor{"", Digest::of(as_bytes(kBlob)), kBlob.size()};

// Takes uploads as the specification says; a test may answer in its place.
class FakeRegistry {
public:
    FakeRegistry() : server_([this](const FakeRequest& request) { return answer(request); }) {}

    Reference image() const { return *Reference::parse(server_.address() + "/team/app:1"); }
    // "METHOD target" of all requests, digests left out.
    std::vector<std::string> calls() const {
        std::vector<std::string> result;
        for (const auto& request : server_.requests()) {
            auto text = request.method + " " + request.target;
            for (auto at = text.find(kDescriptor.digest.hex); at != text.npos;
                 at = text.find(kDescriptor.digest.hex))
                text.replace(at, 64, "X");
            result.push_back(text);
        }
        return result;
    }
    std::vector<FakeRequest> requests() const { return server_.requests(); }
    std::string address() const { return server_.address(); }
    std::string stored() const { return *stored_.lock(); }
    void store(std::string bytes) { *stored_.lock() = std::move(bytes); }

    // nullopt: as a good registry would.
    std::function<std::optional<FakeResponse>(const FakeRequest&)> instead = nullptr;

private:
    FakeResponse answer(const FakeRequest& request) {
        if (instead)
            if (auto response = instead(request)) return *std::move(response);
        auto stored = stored_.lock();
        const auto go_on = [&](int status) {
            return FakeResponse{
                status,
                "",
                {"Location: /upload?at=" + std::to_string(stored->size()),
                 "Range: 0-" + std::to_string(std::max<std::size_t>(stored->size(), 1) - 1)}};
        };
        if (request.method == "HEAD") return {404};
        if (request.method == "DELETE") return {204};
        if (request.method == "POST") {
            stored->clear();
            return go_on(202);
        }
        if (request.method == "GET") return go_on(204);
        if (request.method == "PATCH") {
            const auto range = std::to_string(stored->size()) + "-" +
                               std::to_string(stored->size() + request.body.size() - 1);
            if (request.header("content-range") != range) return {416};
            *stored += request.body;
            return go_on(202);
        }
        *stored += request.body;
        return {201};
    }

    Guarded<std::string> stored_;
    FakeServer server_;
};

using Outcome = RegistryPusher::Outcome;
using How = Outcome::How;

Result<Outcome> push(const FakeRegistry& registry, const std::vector<std::string>& sources = {},
                     const RegistryOptions& options = kQuick) {
    RegistryPusher pusher(registry.image(), {}, {sources.begin(), sources.end()}, options);
    return pusher.push_blob(kDescriptor, HttpBody::of(kBlob), sources, {});
}

TEST(RegistryPusher, ASmallBlobGoesWhole) {
    FakeRegistry registry;
    auto options = kQuick;
    options.upload_chunk = 1U << 20U;
    const auto pushed = push(registry, {}, options);
    ASSERT_TRUE(pushed) << pushed.error().message();
    EXPECT_EQ(*pushed, Outcome{How::uploaded});
    EXPECT_EQ(registry.stored(), kBlob);
    // The first two find out which scheme the registry speaks.
    const auto calls = registry.calls();
    EXPECT_THAT(calls,
                ElementsAre("HEAD /v2/team/app/blobs/sha256:X", "POST /v2/team/app/blobs/uploads/",
                            "PUT /upload?at=0&digest=sha256%3AX"));
}

TEST(RegistryPusher, ALargeBlobGoesInChunks) {
    FakeRegistry registry;
    std::uint64_t sent = 0;
    RegistryPusher pusher(registry.image(), {}, {}, kQuick);
    const auto pushed = pusher.push_blob(kDescriptor, HttpBody::of(kBlob), {}, {},
                                         [&](std::uint64_t bytes) { sent = bytes; });
    ASSERT_TRUE(pushed) << pushed.error().message();
    EXPECT_EQ(registry.stored(), kBlob);
    EXPECT_EQ(sent, kBlob.size());
    EXPECT_THAT(registry.calls(),
                ElementsAre("HEAD /v2/team/app/blobs/sha256:X", "POST /v2/team/app/blobs/uploads/",
                            "PATCH /upload?at=0", "PATCH /upload?at=1000", "PATCH /upload?at=2000",
                            "PUT /upload?at=2500&digest=sha256%3AX"));
}

TEST(RegistryPusher, WhatIsThereIsNotSent) {
    FakeRegistry registry;
    registry.instead = [](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.method == "HEAD") return FakeResponse{200};
        return std::nullopt;
    };
    EXPECT_EQ(push(registry).value(), Outcome{How::existed});
    EXPECT_EQ(registry.requests().size(), 1U);
}

TEST(RegistryPusher, ABlobIsMountedFromAnotherRepository) {
    FakeRegistry registry;
    registry.instead = [](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.method != "POST") return std::nullopt;
        EXPECT_THAT(request.target, HasSubstr("?mount=sha256%3A"));
        EXPECT_THAT(request.target, HasSubstr("&from=team%2Fbase"));
        return FakeResponse{201};
    };
    EXPECT_EQ(push(registry, {"team/base"}).value(), (Outcome{How::mounted, "team/base"}));
    EXPECT_EQ(registry.requests().size(), 2U);
}

TEST(RegistryPusher, AMountThatIsRefusedBecomesAnUpload) {
    FakeRegistry registry;
    EXPECT_EQ(push(registry, {"team/base"}).value(), Outcome{How::uploaded});
    EXPECT_EQ(registry.stored(), kBlob);
}

TEST(RegistryPusher, ASourceThatLostTheBlobIsPassedOver) {
    FakeRegistry registry;
    registry.instead = [](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.target.ends_with("from=team%2Fgood")) return FakeResponse{201};
        return std::nullopt;
    };
    const auto pushed = push(registry, {"team/empty", "team/good", "team/spare"});
    EXPECT_EQ(pushed.value(), (Outcome{How::mounted, "team/good"}));
    EXPECT_THAT(registry.calls(),
                ElementsAre("HEAD /v2/team/app/blobs/sha256:X",
                            "POST /v2/team/app/blobs/uploads/?mount=sha256%3AX&from=team%2Fempty",
                            "DELETE /upload?at=0",
                            "POST /v2/team/app/blobs/uploads/?mount=sha256%3AX&from=team%2Fgood"));
}

TEST(RegistryPusher, ABrokenChunkIsResumedWhereTheRegistryStands) {
    FakeRegistry registry;
    int patches = 0;
    registry.instead = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.method != "PATCH" || ++patches != 2) return std::nullopt;
        registry.store(kBlob.substr(0, 1300));
        return FakeResponse{.drop = true};
    };
    const auto pushed = push(registry);
    ASSERT_TRUE(pushed) << pushed.error().message();
    EXPECT_EQ(registry.stored(), kBlob);
    EXPECT_THAT(registry.calls(),
                ElementsAre("HEAD /v2/team/app/blobs/sha256:X", "POST /v2/team/app/blobs/uploads/",
                            "PATCH /upload?at=0", "PATCH /upload?at=1000", "GET /upload?at=1000",
                            "PATCH /upload?at=1300", "PATCH /upload?at=2300",
                            "PUT /upload?at=2500&digest=sha256%3AX"));
}

TEST(RegistryPusher, AnUploadThatTheRegistryForgotIsBegunAnew) {
    FakeRegistry registry;
    int patches = 0;
    registry.instead = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.method == "GET") return FakeResponse{404};
        if (request.method != "PATCH" || ++patches != 2) return std::nullopt;
        return FakeResponse{500};
    };
    const auto pushed = push(registry);
    ASSERT_TRUE(pushed) << pushed.error().message();
    EXPECT_EQ(registry.stored(), kBlob);
}

TEST(RegistryPusher, ARegistryThatStaysBrokenIsGivenUp) {
    for (const char* method : {"HEAD", "POST", "PATCH", "PUT"}) {
        FakeRegistry registry;
        registry.instead = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
            if (request.method == method) return FakeResponse{503};
            return std::nullopt;
        };
        const auto pushed = push(registry);
        ASSERT_FALSE(pushed) << method;
        EXPECT_EQ(pushed.error().kind(), ErrorKind::unavailable) << method;
        EXPECT_THAT(pushed.error().message(), HasSubstr("503"));
        EXPECT_THAT(pushed.error().message(), HasSubstr(registry.address()));
    }
}

TEST(RegistryPusher, WhoMayNotWriteIsToldSo) {
    FakeRegistry registry;
    registry.instead = [](const FakeRequest&) { return FakeResponse{403}; };
    const auto pushed = push(registry);
    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().kind(), ErrorKind::forbidden);
    EXPECT_THAT(pushed.error().message(), HasSubstr("push access denied for"));
}

TEST(RegistryPusher, TokensAreAskedForAllThatAPushNeeds) {
    FakeServer token_server([](const FakeRequest& request) {
        EXPECT_THAT(request.target, HasSubstr("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"));
        EXPECT_THAT(request.target, HasSubstr("scope=repository%3Ateam%2Fbase%3Apull"));
        return FakeResponse{200, R"({"token":"abc"})"};
    });
    FakeRegistry registry;
    registry.instead = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.header("authorization") == "Bearer abc") return std::nullopt;
        return FakeResponse{
            401, "", {"WWW-Authenticate: Bearer realm=\"http://" + token_server.address() + "/\""}};
    };
    EXPECT_TRUE(push(registry, {"team/base"}));
    EXPECT_EQ(registry.stored(), kBlob);
}

TEST(RegistryPusher, AnUploadElsewhereGetsNoCredentials) {
    FakeServer storage([](const FakeRequest& request) {
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{201};
    });
    FakeRegistry registry;
    registry.instead = [&](const FakeRequest& request) -> std::optional<FakeResponse> {
        if (request.header("authorization").empty())
            return FakeResponse{401, "", {"WWW-Authenticate: Basic realm=\"x\""}};
        if (request.method == "POST")
            return FakeResponse{202, "", {"Location: http://" + storage.address() + "/x"}};
        return std::nullopt;
    };
    auto options = kQuick;
    options.upload_chunk = 1U << 20U;
    RegistryPusher pusher(registry.image(), {"ann", "secret"}, {}, options);
    EXPECT_TRUE(pusher.push_blob(kDescriptor, HttpBody::of(kBlob), {}, {}));
    EXPECT_EQ(storage.requests().size(), 1U);
}

TEST(RegistryPusher, ManifestsGoUnderTheirKey) {
    FakeRegistry registry;
    RegistryPusher pusher(registry.image(), {}, {}, kQuick);
    const std::string bytes = "{}";
    const Descriptor manifest{std::string(media_type::oci_manifest), Digest::of(as_bytes(bytes)),
                              2};
    ASSERT_TRUE(pusher.push_manifest("1", manifest, bytes, {}));
    const auto request = registry.requests().back();
    EXPECT_EQ(request.method + " " + request.target, "PUT /v2/team/app/manifests/1");
    EXPECT_EQ(request.header("content-type"), media_type::oci_manifest);
    EXPECT_EQ(request.body, bytes);

    registry.instead = [](const FakeRequest&) {
        return FakeResponse{201, "", {"Docker-Content-Digest: sha256:other"}};
    };
    EXPECT_EQ(pusher.push_manifest("1", manifest, bytes, {}).error().kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace hako::oci
