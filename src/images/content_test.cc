#include <gmock/gmock.h>

#include "images/store_fixture.h"

namespace hako::images {
namespace {

using namespace testing;  // NOLINT: ours, below images
using namespace std::string_literals;
using ::testing::HasSubstr;

class ContentTest : public StoreTest {
protected:
    // The image of one layer with these bytes behind its own.
    void expect_loads(Packing packing, const std::string& behind) {
        auto image = make_image({kBase}, packing);
        image.layers[0] += behind;
        const auto loaded = load(oci_layout(image, {{"io.containerd.image.name", "app:1"}}));
        ASSERT_TRUE(loaded) << loaded.error().message();
        const auto found = store_->find("app:1");
        ASSERT_TRUE(found) << found.error().message();
        EXPECT_EQ(found->diff_ids, std::vector{digest_text(pack_tar(kBase))});
        EXPECT_TRUE(store_->rootfs(found->id));
    }
};

// An estargz layer ends in an empty gzip member with an extra field that tells where its table of
// contents lies (stargz-snapshotter, docs/estargz.md, "Footer").
TEST_F(ContentTest, EstargzIsReadAsGzip) {
    const auto footer = "\x1f\x8b\x08\x04\0\0\0\0\0\xff"s + "\x1a\0"s + "SG\x16\0"s +
                        "0000000000000000STARGZ" + "\x01\0\0\xff\xff"s + std::string(8, '\0');
    ASSERT_EQ(footer.size(), 51U);
    expect_loads(Packing::gzip, footer);
}

// A zstd:chunked layer carries its table of contents in skippable frames (RFC 8878 3.1.2).
TEST_F(ContentTest, ZstdChunkedIsReadAsZstd) {
    const auto frame = [](std::string_view content) {
        return "\x50\x2a\x4d\x18"s + static_cast<char>(content.size()) + "\0\0\0"s +
               std::string(content);
    };
    expect_loads(Packing::zstd, frame("a table of contents") + frame("a footer"));
}

TEST_F(ContentTest, AnEmptyLayerAddsNothing) {
    const std::string empty_tar(1024, '\0');
    auto image = make_image({kBase});
    image.layers.push_back(empty_tar);
    auto config = *parse_json(image.config);
    config["rootfs"]["diff_ids"].push_back(digest_text(empty_tar));
    image.config = dump_json(config);
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto found = store_->find("app:1");
    EXPECT_EQ(found->layer_sizes.back(), 0U);
    EXPECT_EQ(store_->rootfs(found->id)->extents.size(), 2U);  // the view and one layer
}

TEST_F(ContentTest, FiveHundredLayersMakeOneView) {
    std::vector<std::vector<Entry>> layers;
    for (int i = 0; i < 500; ++i)
        layers.push_back({{"files/" + std::to_string(i), std::to_string(i)}});
    const auto image = make_image(layers);
    ASSERT_TRUE(load(docker_archive(image, {"deep:1"})));
    const auto rootfs = store_->rootfs(image.id());
    ASSERT_TRUE(rootfs) << rootfs.error().message();
    EXPECT_EQ(rootfs->extents.size(), 501U);
}

TEST_F(ContentTest, ManifestAndConfigurationMustNameTheSameNumberOfLayers) {
    auto image = make_image({kBase, kTop});
    image.layers.pop_back();
    const auto loaded = load(docker_archive(image, {"app:1"}));
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message(), HasSubstr("names 2 layers, but its manifest 1"));
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ContentTest, ImagesForOtherSystemsAreRefused) {
    auto image = make_image({kBase});
    auto config = *parse_json(image.config);
    config["os"] = "windows";
    image.config = dump_json(config);
    EXPECT_THAT(load(docker_archive(image, {"app:1"})).error().message(),
                HasSubstr("image is for windows/"));
}

}  // namespace
}  // namespace hako::images
