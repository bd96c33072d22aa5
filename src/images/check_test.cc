#include <gmock/gmock.h>

#include "images/store_fixture.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT: ours, below images
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckTest : public StoreTest {
protected:
    void SetUp() override {
        StoreTest::SetUp();
        ASSERT_TRUE(load(docker_archive(image_, {"app:1"})));
        ASSERT_TRUE(store_->rootfs(image_.id()));
    }
    CheckReport check(bool repair = false) {
        auto report = store_->check({.repair = repair});
        EXPECT_TRUE(report) << report.error().message();
        return report ? *std::move(report) : CheckReport();
    }
    fs::path blob(const std::string& bytes) const {
        return layout_->content() / "blobs/sha256" / digest_hex(bytes);
    }
    fs::path layer(const std::vector<Entry>& entries) const {
        return layout_->layers() / digest_hex(pack_tar(entries));
    }
    static void flip(const fs::path& file) {
        auto bytes = *read_file(file);
        bytes.at(bytes.size() / 2) ^= 1;
        ASSERT_TRUE(write_file(file, bytes));
    }
    // Finds one thing, mends it, and then finds nothing.
    void expect_repaired(const std::string& subject) {
        const auto found = check().findings;
        ASSERT_EQ(found.size(), 1U);
        EXPECT_THAT(found[0].subject, HasSubstr(subject));
        EXPECT_EQ(found[0].remedy, "");
        const auto mended = check(true).findings;
        ASSERT_EQ(mended.size(), 1U);
        EXPECT_NE(mended[0].remedy, "");
        EXPECT_THAT(check().findings, IsEmpty());
        EXPECT_TRUE(store_->rootfs(image_.id()));
    }

    const TestImage image_ = make_image({kBase, kTop}, Packing::gzip);
};

TEST_F(CheckTest, AHealthyStoreHasNoFindings) {
    const auto report = check();
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.images, 1U);
    EXPECT_EQ(report.blobs, 4U);  // manifest, configuration, two layers
    EXPECT_EQ(report.layers, 2U);
    EXPECT_EQ(report.views, 1U);
    EXPECT_FALSE(report.leftovers_skipped);
}

TEST_F(CheckTest, DamagedLayersAreUnpackedAgain) {
    flip(layer(kBase) / "data");
    expect_repaired("layer " + digest_text(pack_tar(kBase)));
    flip(layer(kTop) / "index");
    expect_repaired("layer " + digest_text(pack_tar(kTop)));
    fs::remove_all(layer(kTop));
    expect_repaired("layer " + digest_text(pack_tar(kTop)));
}

TEST_F(CheckTest, DamagedViewsAreMadeAnew) {
    flip(layout_->views() / (image_.id().substr(7) + ".erofs"));
    expect_repaired("view of image");
}

TEST_F(CheckTest, ADamagedBlobIsLeftToTheNextPullAndTheImageStillRuns) {
    flip(blob(image_.layers[0]));
    const auto mended = check(true).findings;
    ASSERT_EQ(mended.size(), 1U);
    EXPECT_THAT(mended[0].subject, HasSubstr(digest_text(image_.layers[0])));
    EXPECT_FALSE(fs::exists(blob(image_.layers[0])));
    EXPECT_TRUE(store_->rootfs(image_.id()));
    EXPECT_EQ(check().findings.size(), 1U);  // it is missing
    ASSERT_TRUE(load(docker_archive(image_, {"app:1"})));
    EXPECT_THAT(check().findings, IsEmpty());
}

TEST_F(CheckTest, ADamagedConfigurationComesAgainWithTheNextPull) {
    flip(blob(image_.config));
    EXPECT_THAT(*store_->list(), IsEmpty());
    const auto mended = check(true).findings;
    ASSERT_EQ(mended.size(), 1U);
    EXPECT_THAT(mended[0].subject, HasSubstr(image_.id() + " of app:1"));
    EXPECT_TRUE(store_->rootfs(image_.id()));  // its containers start
    ASSERT_TRUE(load(docker_archive(image_, {"app:1"})));
    EXPECT_THAT(check().findings, IsEmpty());
    EXPECT_TRUE(store_->find("app:1"));
}

TEST_F(CheckTest, ALostManifestLeavesTheImageRunning) {
    const auto manifest = store_->find("app:1")->manifest.digest;
    fs::remove(layout_->content() / "blobs/sha256" / manifest.hex);
    const auto found = check(true).findings;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_THAT(found[0].subject, HasSubstr(manifest.text()));
    EXPECT_TRUE(store_->find("app:1"));
    EXPECT_TRUE(store_->rootfs(image_.id()));
}

TEST_F(CheckTest, LeftoversAreFoundAndRemoved) {
    ASSERT_TRUE(write_file(layout_->views() / "x.erofs.partial", "half a view"));
    expect_repaired("x.erofs.partial");
    ASSERT_TRUE(write_file(layout_->content() / "blobs/sha256" / std::string(64, 'b'), "orphan"));
    expect_repaired(std::string(64, 'b'));
    ASSERT_TRUE(write_file(layout_->content() / "ingest" / "half", "half a blob"));
    expect_repaired("half");
    fs::create_directories(layout_->layers() / std::string(64, 'd'));
    expect_repaired(std::string(64, 'd'));
}

TEST_F(CheckTest, LeftoversAreNotLookedForDuringALoad) {
    class Half : public Reader {
    public:
        explicit Half(std::function<void()> in_the_middle) : act_(std::move(in_the_middle)) {}
        Result<std::size_t> read(std::span<std::byte>) override {
            act_();
            return fail(ErrorKind::cancelled, "the client left");
        }
        std::function<void()> act_;
    };
    CheckReport report;
    Half half([&] { report = check(true); });
    EXPECT_FALSE(store_->load(half, {}, {}));
    EXPECT_TRUE(report.leftovers_skipped);
}

}  // namespace
}  // namespace hako::images
