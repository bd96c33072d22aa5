#include <gmock/gmock.h>
#include <atomic>
#include <thread>

#include "images/fake_registry.h"
#include "images/store_fixture.h"

namespace hako::images {
namespace {

using namespace testing;  // NOLINT: ours, below images
using oci::testing::FakeRequest;
using oci::testing::FakeResponse;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PullTest : public StoreTest {
protected:
    Result<Image> pull(const std::string& tag, std::stop_token stop = {},
                       std::vector<Progress>* progress = nullptr) {
        PullOptions options;
        options.registry.backoff = std::chrono::milliseconds(1);
        const auto sink = [&](const Progress& line) {
            if (progress != nullptr) progress->push_back(line);
        };
        return store_->pull(registry_.reference(tag), options, sink, std::move(stop));
    }

    FakeRegistry registry_;
};

std::vector<std::string> statuses(const std::vector<Progress>& lines, const std::string& id) {
    std::vector<std::string> result;
    for (const auto& line : lines)
        if (line.id == id && (result.empty() || result.back() != line.status))
            result.push_back(line.status);
    return result;
}

TEST_F(PullTest, BringsTheImageAndTellsWhatItDoes) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    registry_.add(image, "1");
    std::vector<Progress> progress;
    const auto pulled = pull("1", {}, &progress);
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, image.id());
    const auto name = registry_.reference("1").familiar();
    EXPECT_THAT(pulled->repo_tags, ElementsAre(name));
    EXPECT_THAT(pulled->repo_digests, ElementsAre(registry_.reference("1").familiar_name() + "@" +
                                                  digest_text(image.manifest())));
    EXPECT_TRUE(store_->rootfs(pulled->id));
    EXPECT_TRUE(store_->find(pulled->repo_digests[0]));

    EXPECT_THAT(statuses(progress, "1"), ElementsAre("Pulling from app"));
    EXPECT_THAT(statuses(progress, digest_hex(image.layers[0]).substr(0, 12)),
                ElementsAre("Pulling fs layer", "Downloading", "Verifying Checksum",
                            "Download complete", "Pull complete"));
    EXPECT_THAT(statuses(progress, ""), ElementsAre("Digest: " + digest_text(image.manifest()),
                                                    "Status: Downloaded newer image for " + name));

    progress.clear();
    ASSERT_TRUE(pull("1", {}, &progress));
    EXPECT_THAT(statuses(progress, ""), Contains("Status: Image is up to date for " + name));
}

TEST_F(PullTest, LayersThatAreThereAreNotDownloadedAgain) {
    const auto one = make_image({kBase}, Packing::gzip);
    const auto two = make_image({kBase, kTop}, Packing::gzip);
    registry_.add(one, "1");
    registry_.add(two, "2");
    ASSERT_TRUE(pull("1"));
    std::vector<Progress> progress;
    ASSERT_TRUE(pull("2", {}, &progress));
    EXPECT_EQ(registry_.downloads_of(one.layers[0]), 1U);
    EXPECT_THAT(statuses(progress, digest_hex(one.layers[0]).substr(0, 12)),
                ElementsAre("Already exists"));
}

TEST_F(PullTest, TheSameLayerTwiceIsOneDownload) {
    registry_.add(make_image({kBase, kTop, kBase}, Packing::gzip), "1");
    ASSERT_TRUE(pull("1"));
    EXPECT_EQ(registry_.downloads_of(pack_tar(kBase, Packing::gzip)), 1U);
}

TEST_F(PullTest, TwoPullsAtOnceShareOneDownload) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    registry_.add(image, "1");
    registry_.spoil = [](const FakeRequest&, FakeResponse&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    };
    std::atomic<int> succeeded = 0;
    {
        std::vector<std::jthread> pulls;
        for (int i = 0; i < 3; ++i) pulls.emplace_back([&] { succeeded += pull("1") ? 1 : 0; });
    }
    EXPECT_EQ(succeeded, 3);
    for (const auto& layer : image.layers) EXPECT_EQ(registry_.downloads_of(layer), 1U);
}

TEST_F(PullTest, WhenOnePullIsStoppedTheOtherGoesOn) {
    const auto image = make_image({kBase}, Packing::gzip);
    registry_.add(image, "1");
    std::atomic<bool> first = true;
    registry_.spoil = [&](const FakeRequest& request, FakeResponse& response) {
        if (request.target.find(digest_text(image.layers[0])) == std::string::npos) return;
        if (!first.exchange(false)) return;
        response.cut_after = 5;
        response.hang = true;
    };
    std::stop_source stop;
    std::optional<Result<Image>> killed;
    std::jthread victim([&] { killed = pull("1", stop.get_token()); });
    while (first) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::jthread killer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        stop.request_stop();
    });
    const auto survived = pull("1");
    EXPECT_TRUE(survived) << survived.error().message();
    victim.join();
    EXPECT_EQ(killed->error().kind(), ErrorKind::cancelled);
}

TEST_F(PullTest, AnIndexLeadsToTheImageOfThePlatform) {
    const auto image = make_image({kBase}, Packing::gzip);
    registry_.add(image, "unused");
    const auto index = index_of({{"s390x", "{}"}, {kHost, image.manifest()}});
    registry_.add_manifest(index, "1");
    const auto pulled = pull("1");
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, image.id());
    EXPECT_THAT(pulled->repo_digests[0], HasSubstr(digest_text(index)));

    PullOptions options;
    options.platform = oci::Platform{"linux", "riscv64", ""};
    const auto other = store_->pull(registry_.reference("1"), options, {}, {});
    EXPECT_THAT(other.error().message(), HasSubstr("there are: linux/s390x"));
}

TEST_F(PullTest, ANameKeepsAnImageForEachPlatform) {
    const auto here = make_image({kBase}, Packing::gzip);
    const auto foreign = make_image({kBase, kTop}, Packing::gzip, "", "s390x");
    registry_.add(here, "unused");
    registry_.add(foreign, "unused");
    registry_.add_manifest(index_of({{kHost, here.manifest()}, {"s390x", foreign.manifest()}}),
                           "1");
    const auto name = registry_.reference("1");
    const oci::Platform s390x{"linux", "s390x", ""};

    ASSERT_TRUE(pull("1"));
    EXPECT_EQ(store_->find(name.familiar(), s390x).error().kind(), ErrorKind::not_found);
    PullOptions options;
    options.platform = s390x;
    const auto pulled = store_->pull(name, options, {}, {});
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, foreign.id());
    EXPECT_EQ(pulled->architecture, "s390x");
    EXPECT_EQ(store_->find(name.familiar())->id, here.id());
    EXPECT_EQ(store_->find(name.familiar(), s390x)->id, foreign.id());

    // A new tag is a name for both, and one of them can go alone.
    ASSERT_TRUE(store_->tag(name.familiar(), *oci::Reference::parse("app:2")));
    EXPECT_EQ(store_->find("app:2", s390x)->id, foreign.id());
    ASSERT_TRUE(store_->remove("app:2", {.platform = s390x}, {}));
    EXPECT_EQ(store_->find("app:2", s390x).error().kind(), ErrorKind::not_found);
    const auto removed = store_->remove(name.familiar(), {}, {});
    EXPECT_THAT(removed->deleted, Contains(foreign.id()));
    EXPECT_EQ(store_->list()->size(), 1U);
}

TEST_F(PullTest, AllPlatformsCanBePulledAtOnce) {
    const auto here = make_image({kBase}, Packing::gzip);
    const auto foreign = make_image({kBase, kTop}, Packing::gzip, "", "s390x");
    registry_.add(here, "unused");
    registry_.add(foreign, "unused");
    registry_.add_manifest(index_of({{"s390x", foreign.manifest()}, {kHost, here.manifest()}}),
                           "1");
    PullOptions options;
    options.all_platforms = true;
    const auto pulled = store_->pull(registry_.reference("1"), options, {}, {});
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, here.id());
    EXPECT_EQ(store_->list()->size(), 2U);
    EXPECT_EQ(registry_.downloads_of(here.layers[0]), 1U);
}

// Else it could not be pushed or saved with the digest that it came with.
TEST_F(PullTest, ALayerInAnotherCompressionIsDownloadedToo) {
    const auto gzip = make_image({kBase}, Packing::gzip);
    const auto zstd = make_image({kBase}, Packing::zstd);
    registry_.add(gzip, "1");
    registry_.add(zstd, "2");
    ASSERT_TRUE(pull("1"));
    const auto files = count_files();
    ASSERT_TRUE(pull("2"));
    EXPECT_EQ(registry_.downloads_of(zstd.layers[0]), 1U);
    EXPECT_EQ(count_files(), files + 2);  // the manifest and the blob
}

TEST_F(PullTest, AWrongBlobIsRefusedAndNothingIsLeft) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    registry_.add(image, "1");
    // Another layer of the same length, that unpacks well.
    auto& blob = registry_.blobs()["/v2/app/blobs/" + digest_text(image.layers[1])];
    blob = pack_tar({{"etc/"}, {"etc/name", "bad\n"}}, Packing::gzip);
    blob.resize(image.layers[1].size(), '\0');
    const auto pulled = pull("1");
    ASSERT_FALSE(pulled);
    EXPECT_EQ(pulled.error().kind(), ErrorKind::corrupt);
    EXPECT_THAT(pulled.error().message(), HasSubstr(digest_text(image.layers[1])));
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(PullTest, WhatAMirrorHasWrongComesFromTheRegistry) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    registry_.add(image, "1");
    for (const auto& spoiled : {image.layers[1], image.config}) {
        FakeRegistry mirror;
        mirror.add(image, "1");
        mirror.blobs()["/v2/app/blobs/" + digest_text(spoiled)] = std::string(spoiled.size(), 'x');
        PullOptions options;
        const auto reference = registry_.reference("1");
        options.registry.mirrors[reference.domain] = {"http://" + mirror.reference("1").domain};
        const auto pulled = store_->pull(reference, options, {}, {});
        ASSERT_TRUE(pulled) << pulled.error().message();
        EXPECT_EQ(mirror.downloads_of(spoiled), 1U);
        EXPECT_EQ(registry_.downloads_of(spoiled), 1U);
        ASSERT_TRUE(store_->remove(reference.text(), {}, {}));
    }
}

TEST_F(PullTest, AnIndexInAnIndexIsFollowed) {
    const auto image = make_image({kBase}, Packing::gzip);
    registry_.add(image, "inner");
    const auto inner = index_of({{kHost, image.manifest()}});
    registry_.add_manifest(inner, "images");
    const auto outer = [](const std::string& index) {
        return dump_json(Json{{"schemaVersion", 2},
                              {"mediaType", oci::media_type::oci_index},
                              {"manifests", Json::array({{{"mediaType", oci::media_type::oci_index},
                                                          {"digest", digest_text(index)},
                                                          {"size", index.size()}}})}});
    };
    registry_.add_manifest(outer(inner), "1");
    const auto pulled = pull("1");
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, image.id());

    auto deep = outer(inner);
    for (int i = 0; i < oci::kMaxIndexDepth; ++i) {
        registry_.add_manifest(deep, "deep");
        deep = outer(deep);
    }
    registry_.add_manifest(deep, "deep");
    EXPECT_THAT(pull("deep").error().message(), HasSubstr("nested too deeply"));
}

TEST_F(PullTest, ALayerThatIsNotWhatTheConfigurationPromisesIsRefused) {
    auto image = make_image({kBase}, Packing::gzip);
    image.layers[0] = pack_tar(kTop, Packing::gzip);
    registry_.add(image, "1");
    const auto pulled = pull("1");
    ASSERT_FALSE(pulled);
    EXPECT_EQ(pulled.error().kind(), ErrorKind::corrupt);
    EXPECT_THAT(pulled.error().message(), HasSubstr("promises"));
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(PullTest, ATruncatedLayerIsRefused) {
    for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
        auto image = make_image({kBase}, packing);
        image.layers[0].resize(image.layers[0].size() / 2);
        registry_.add(image, "1");
        EXPECT_EQ(pull("1").error().kind(), ErrorKind::corrupt);
        EXPECT_EQ(count_files(), 0U);
    }
}

TEST_F(PullTest, ABrokenConnectionIsNoticedByNobody) {
    const auto image = make_image({kBase}, Packing::gzip);
    registry_.add(image, "1");
    std::atomic<int> breaks = 3;
    registry_.spoil = [&](const FakeRequest& request, FakeResponse& response) {
        if (request.target.find("/blobs/") != std::string::npos && breaks-- > 0)
            response.cut_after = response.body.size() / 2;
    };
    const auto pulled = pull("1");
    EXPECT_TRUE(pulled) << pulled.error().message();
}

TEST_F(PullTest, UnknownTagsAreAnError) {
    const auto pulled = pull("none");
    EXPECT_EQ(pulled.error().kind(), ErrorKind::not_found);
    EXPECT_THAT(pulled.error().message(), HasSubstr("not found: manifest unknown"));
}

}  // namespace
}  // namespace hako::images
