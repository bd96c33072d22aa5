#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "images/image_store.h"
#include "images/test_images.h"
#include "oci/fake_server.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT: ours, below images
using oci::testing::FakeRequest;
using oci::testing::FakeResponse;
using oci::testing::FakeServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<Entry> kBase{{"bin/"}, {"bin/tool", std::string(200'000, 'x')}};
const std::vector<Entry> kTop{{"etc/"}, {"etc/name", "app\n"}};

// Serves what it is given, and counts.
class FakeRegistry {
public:
    FakeRegistry() : server_([this](const FakeRequest& request) { return answer(request); }) {}

    void add(const TestImage& image, const std::string& tag) {
        for (const auto& layer : image.layers)
            blobs_["/v2/app/blobs/" + digest_text(layer)] = layer;
        blobs_["/v2/app/blobs/" + image.id()] = image.config;
        add_manifest(image.manifest(), tag);
    }
    void add_manifest(const std::string& manifest, const std::string& tag) {
        blobs_["/v2/app/manifests/" + tag] = manifest;
        blobs_["/v2/app/manifests/" + digest_text(manifest)] = manifest;
    }
    std::map<std::string, std::string>& blobs() { return blobs_; }
    oci::Reference reference(const std::string& tag) const {
        return *oci::Reference::parse(server_.address() + "/app:" + tag);
    }
    std::size_t downloads_of(const std::string& blob) const {
        const auto requests = server_.requests();
        return static_cast<std::size_t>(std::ranges::count(
            requests, "/v2/app/blobs/" + digest_text(blob), &FakeRequest::target));
    }
    std::function<void(const FakeRequest&, FakeResponse&)> spoil = nullptr;

private:
    FakeResponse answer(const FakeRequest& request) {
        const auto found = blobs_.find(request.target);
        if (found == blobs_.end()) return {404};
        FakeResponse response{200, found->second};
        if (spoil) spoil(request, response);
        return response;
    }

    std::map<std::string, std::string> blobs_;
    FakeServer server_;
};

class PullTest : public ::testing::Test {
protected:
    void SetUp() override {
        folder_.emplace(*TempDir::create());
        layout_.emplace(folder_->path() / "root", folder_->path() / "run");
        fs::create_directories(layout_->root());
        database_ = *store::Database::open(layout_->database());
        store_ = *ImageStore::open(*layout_, *database_);
    }
    Result<Image> pull(const std::string& tag, std::stop_token stop = {},
                       std::vector<Progress>* progress = nullptr) {
        PullOptions options;
        options.registry.backoff = std::chrono::milliseconds(1);
        const auto sink = [&](const Progress& line) {
            if (progress != nullptr) progress->push_back(line);
        };
        return store_->pull(registry_.reference(tag), options, sink, std::move(stop));
    }
    std::size_t count_files() const {
        std::size_t count = 0;
        for (const auto& part : {layout_->content(), layout_->layers()})
            for (const auto& entry : fs::recursive_directory_iterator(part))
                if (entry.is_regular_file()) ++count;
        return count;
    }

    FakeRegistry registry_;
    std::optional<TempDir> folder_;
    std::optional<Layout> layout_;
    std::unique_ptr<store::Database> database_;
    std::unique_ptr<ImageStore> store_;
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
    const auto entry = [](const std::string& manifest, const std::string& architecture) {
        return Json{{"mediaType", oci::media_type::oci_manifest},
                    {"digest", digest_text(manifest)},
                    {"size", manifest.size()},
                    {"platform", {{"os", "linux"}, {"architecture", architecture}}}};
    };
    const auto host = oci::Platform::host().architecture;
    const auto index = dump_json(
        Json{{"schemaVersion", 2},
             {"mediaType", oci::media_type::oci_index},
             {"manifests", Json::array({entry("{}", "s390x"), entry(image.manifest(), host)})}});
    registry_.add_manifest(index, "1");
    const auto pulled = pull("1");
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->id, image.id());
    EXPECT_THAT(pulled->repo_digests[0], HasSubstr(digest_text(index)));

    PullOptions options;
    options.platform = {"linux", "riscv64", ""};
    const auto other = store_->pull(registry_.reference("1"), options, {}, {});
    EXPECT_THAT(other.error().message(), HasSubstr("there are: linux/s390x"));
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
    auto image = make_image({kBase}, Packing::gzip);
    image.layers[0].resize(image.layers[0].size() / 2);
    registry_.add(image, "1");
    EXPECT_EQ(pull("1").error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(count_files(), 0U);
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
