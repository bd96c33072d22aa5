#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "oci/client_fixture.h"

namespace hako::oci {
namespace {

using namespace testing;  // NOLINT: ours, below oci

TEST(RegistryMirrors, MirrorsComeFirstAndGetNoCredentials) {
    FakeServer mirror([](const FakeRequest& request) {
        EXPECT_TRUE(request.target.starts_with("/cache/v2/team/app/blobs/")) << request.target;
        EXPECT_EQ(request.header("authorization"), "");
        return FakeResponse{200, kBlob};
    });
    FakeServer server([](const FakeRequest&) { return FakeResponse{500}; });
    auto options = kQuick;
    options.mirrors[server.address()] = {"http://" + mirror.address() + "/cache/"};
    EXPECT_EQ(fetch_blob(server.address(), {"ann", "secret"}, options).value(), kBlob);
    EXPECT_TRUE(server.requests().empty());
}

TEST(RegistryMirrors, AMirrorThatFailsIsPassedOver) {
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
    EXPECT_EQ(fetch_blob(server.address(), {"ann", "secret"}, options).value(), kBlob);
    for (const auto& request : wants_login.requests())
        EXPECT_EQ(request.header("authorization"), "");
}

TEST(RegistryMirrors, AMirrorThatIsDistrustedIsNotAskedAgain) {
    FakeServer wrong([](const FakeRequest&) {
        return FakeResponse{200, std::string(kBlob.size(), 'x')};
    });
    FakeServer right([](const FakeRequest&) { return FakeResponse{200, kBlob}; });
    auto options = kQuick;
    options.mirrors[right.address()] = {"http://" + wrong.address()};
    RegistryClient client(image_on(right.address()), {}, options);
    const auto fetch = [&] {
        TextWriter sink;
        EXPECT_TRUE(client.blob(kDescriptor, sink, {}));
        return sink.text;
    };
    EXPECT_NE(fetch(), kBlob);
    EXPECT_TRUE(client.distrust(kDescriptor.digest));
    EXPECT_EQ(fetch(), kBlob);
    EXPECT_FALSE(client.distrust(kDescriptor.digest)) << "nobody is left to ask";
}

TEST(RegistryMirrors, AMirrorThatIsDownIsAskedOnce) {
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

TEST(RegistryMirrors, GoesThroughAProxyUnlessAnExceptionSaysNo) {
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

TEST(RegistryMirrors, WithoutTlsOnlyWhereThatIsAllowed) {
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
