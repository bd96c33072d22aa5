#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/guarded.h"
#include "images/fake_registry.h"
#include "images/store_fixture.h"

namespace hako::images {
namespace {

using namespace testing;  // NOLINT: ours, below images
using oci::testing::FakeRequest;
using oci::testing::FakeResponse;
using oci::testing::FakeServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// A registry that is empty at first, and keeps what it is sent by its target.
class EmptyRegistry {
public:
    EmptyRegistry() : server_([this](const FakeRequest& request) { return answer(request); }) {}

    oci::Reference reference(const std::string& rest) const {
        return *oci::Reference::parse(server_.address() + "/" + rest);
    }
    std::vector<std::string> kept() const {
        std::vector<std::string> targets;
        auto all = kept_.lock();
        for (const auto& [target, bytes] : *all) targets.push_back(target);
        return targets;
    }
    std::string at(const std::string& target) const {
        auto all = kept_.lock();
        const auto found = all->find(target);
        return found == all->end() ? "" : found->second;
    }
    std::size_t uploads() const {
        const auto requests = server_.requests();
        return static_cast<std::size_t>(
            std::ranges::count_if(requests, [](const FakeRequest& request) {
                return request.target.starts_with("/upload") && request.method == "PUT";
            }));
    }
    bool breaks = false;

private:
    FakeResponse answer(const FakeRequest& request) {
        if (breaks) return {500};
        auto kept = kept_.lock();
        if (request.method == "HEAD") return {kept->contains(request.target) ? 200 : 404};
        if (request.method == "POST") {
            if (request.target.find("mount=") != std::string::npos) return {201};
            return {202, "", {"Location: /upload?to=" + request.target}};
        }
        // "...digest=sha256%3A<hex>"
        const auto& target = request.target;
        const bool is_blob = target.find("digest=sha256") != std::string::npos;
        (*kept)[is_blob ? "sha256:" + target.substr(target.size() - 64) : target] = request.body;
        return {201};
    }

    Guarded<std::map<std::string, std::string>> kept_;
    FakeServer server_;
};

class PushTest : public StoreTest {
protected:
    // Pulls the image of the tag, and gives it the name.
    void have(const std::string& tag, const oci::Reference& name, bool all_platforms = false) {
        PullOptions options;
        options.all_platforms = all_platforms;
        const auto pulled = store_->pull(source_.reference(tag), options, {}, {});
        ASSERT_TRUE(pulled) << pulled.error().message();
        ASSERT_TRUE(store_->tag(source_.reference(tag).text(), name));
    }
    Result<void> push(const oci::Reference& name, std::vector<Progress>* lines = nullptr) {
        PushOptions options;
        options.registry.attempts = 2;
        options.registry.backoff = std::chrono::milliseconds(1);
        return store_->push(name, options,
                            [&](const Progress& line) {
                                if (lines != nullptr) lines->push_back(line);
                            },
                            {});
    }

    FakeRegistry source_;
    EmptyRegistry target_;
};

TEST_F(PushTest, SendsTheBytesThatCame) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    source_.add(image, "1");
    const auto name = target_.reference("team/app:2");
    have("1", name);
    std::vector<Progress> lines;
    const auto pushed = push(name, &lines);
    ASSERT_TRUE(pushed) << pushed.error().message();
    EXPECT_THAT(target_.kept(),
                UnorderedElementsAre("/v2/team/app/manifests/2", image.id(),
                                     digest_text(image.layers[0]), digest_text(image.layers[1])));
    EXPECT_EQ(target_.at("/v2/team/app/manifests/2"), image.manifest());
    EXPECT_EQ(target_.at(digest_text(image.layers[1])), image.layers[1]);
    const auto digest = digest_text(image.manifest());
    EXPECT_EQ(lines.front().status, "The push refers to repository [" + name.name() + "]");
    EXPECT_EQ(lines.back().result["Digest"], digest);
    EXPECT_TRUE(store_->find(name.familiar_name() + "@" + digest));

    // What went to one repository is mounted into the next.
    const auto other = target_.reference("other/app:1");
    ASSERT_TRUE(store_->tag(name.text(), other));
    ASSERT_TRUE(push(other));
    EXPECT_EQ(target_.uploads(), 3U);
}

TEST_F(PushTest, AnIndexGoesWholeOrNotAtAll) {
    const auto here = make_image({kBase}, Packing::gzip);
    const auto there = make_image({kTop}, Packing::gzip, "", kHost == "amd64" ? "arm64" : "amd64");
    const auto other = kHost == "amd64" ? "arm64" : "amd64";
    const auto index = index_of({{kHost, here.manifest()}, {other, there.manifest()}});
    source_.add(here, "here");
    source_.add(there, "there");
    source_.add_manifest(index, "1");
    const auto part = target_.reference("app:part");
    have("1", part);
    ASSERT_TRUE(push(part));
    EXPECT_EQ(target_.at("/v2/app/manifests/part"), here.manifest());

    const auto whole = target_.reference("app:whole");
    have("1", whole, true);
    ASSERT_TRUE(push(whole));
    EXPECT_EQ(target_.at("/v2/app/manifests/whole"), index);
    EXPECT_EQ(target_.at("/v2/app/manifests/" + digest_text(there.manifest())), there.manifest());
}

TEST_F(PushTest, WhatIsNotHereOrNotTakenIsAnError) {
    const auto image = make_image({kBase}, Packing::gzip);
    source_.add(image, "1");
    const auto name = target_.reference("app:1");
    EXPECT_EQ(push(name).error().kind(), ErrorKind::not_found);
    have("1", name);
    target_.breaks = true;
    const auto broken = push(name);
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().kind(), ErrorKind::unavailable);
    EXPECT_THAT(broken.error().message(), HasSubstr("500"));
    target_.breaks = false;

    std::filesystem::remove(layout_->content() / "blobs" / "sha256" / digest_hex(image.layers[0]));
    const auto lost = push(name);
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().message(), HasSubstr("pull the image again"));
    EXPECT_EQ(target_.uploads(), 0U);
}

}  // namespace
}  // namespace hako::images
