#include <gmock/gmock.h>

#include "base/stream.h"
#include "images/fake_registry.h"
#include "images/store_fixture.h"

namespace hako::images {
namespace {

using namespace testing;  // NOLINT: ours, below images
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SaveTest : public StoreTest {
protected:
    Result<std::string> save(const std::vector<std::string>& names,
                             const SaveOptions& options = {}) {
        TextWriter out;
        HAKO_CHECK(store_->save(names, options, out));
        return out.text;
    }
    // In a store of its own.
    Result<std::vector<std::string>> load_elsewhere(const std::string& archive) {
        layout_.emplace(folder_->path() / "other", folder_->path() / "run");
        std::filesystem::create_directories(layout_->root());
        store_.reset();
        database_ = *store::Database::open(layout_->database());
        reopen();
        return load(archive);
    }
};

TEST_F(SaveTest, WhatIsSavedLoadsAgainWithTheSameDigests) {
    const auto image = make_image({kBase, kTop}, Packing::gzip);
    ASSERT_TRUE(load(oci_layout(image, {{"io.containerd.image.name", "docker.io/me/app:3"}})));
    ASSERT_TRUE(store_->tag("me/app:3", *oci::Reference::parse("other:1")));
    const auto archive = save({"me/app:3", "other:1"});
    ASSERT_TRUE(archive) << archive.error().message();
    EXPECT_EQ(*archive, *save({"me/app:3", "other:1"}));  // the same bytes

    const auto files = count_files();
    const auto loaded = load_elsewhere(*archive);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_THAT(*loaded, ElementsAre("me/app:3", "other:1"));
    EXPECT_EQ(store_->find("other:1")->id, image.id());
    EXPECT_EQ(count_files(), files);  // the manifest and the compressed layers as they were
}

TEST_F(SaveTest, BothFormsAreInTheArchiveUnlessOneIsAskedFor) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto both = *save({"app:1"});
    EXPECT_THAT(both, HasSubstr("manifest.json"));
    EXPECT_THAT(both, HasSubstr("oci-layout"));
    EXPECT_THAT(both, HasSubstr(R"("RepoTags":["app:1"])"));
    const auto oci = *save({"app:1"}, {.docker_manifest = false});
    EXPECT_EQ(oci.find("manifest.json"), std::string::npos);
    EXPECT_TRUE(load_elsewhere(oci));
}

TEST_F(SaveTest, AnImageByItsIdHasNoName) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto archive = save({image.id()});
    EXPECT_THAT(*archive, HasSubstr(R"("RepoTags":null)"));
    EXPECT_THAT(*load_elsewhere(*archive), ElementsAre(image.id()));
}

TEST_F(SaveTest, NothingIsWrittenWhenSomethingIsMissing) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    TextWriter out;
    EXPECT_EQ(store_->save({"app:1", "none"}, {}, out).error().kind(), ErrorKind::not_found);
    const auto blob = digest_hex(image.layers[0]);
    std::filesystem::remove(layout_->content() / "blobs/sha256" / blob);
    EXPECT_THAT(store_->save({"app:1"}, {}, out).error().message(), HasSubstr(blob));
    EXPECT_EQ(out.text, "");
    // Damage shows only while it is read.
    ASSERT_TRUE(write_file(layout_->content() / "blobs/sha256" / blob, "other bytes"));
    EXPECT_EQ(store_->save({"app:1"}, {}, out).error().kind(), ErrorKind::corrupt);
}

TEST_F(SaveTest, PlatformsOfANameTravelTogetherOrAlone) {
    const auto here = make_image({kBase}, Packing::gzip);
    const auto foreign = make_image({kBase, kTop}, Packing::gzip, "", "s390x");
    const oci::Platform s390x{"linux", "s390x", ""};
    FakeRegistry registry;
    registry.add(here, "unused");
    registry.add(foreign, "unused");
    registry.add_manifest(index_of({{kHost, here.manifest()}, {"s390x", foreign.manifest()}}), "1");
    PullOptions all;
    all.all_platforms = true;
    ASSERT_TRUE(store_->pull(registry.reference("1"), all, {}, {}));
    const auto name = registry.reference("1").familiar();
    const auto whole = *save({name});
    const auto one = *save({name}, {.platform = s390x});

    ASSERT_TRUE(load_elsewhere(whole));
    EXPECT_EQ(store_->find(name)->id, here.id());
    EXPECT_EQ(store_->find(name, s390x)->id, foreign.id());
    ASSERT_TRUE(store_->remove(name, {}, {}));
    ASSERT_TRUE(load(one));
    EXPECT_EQ(store_->find(name)->id, foreign.id());
    ASSERT_TRUE(store_->remove(name, {}, {}));
    ASSERT_TRUE(load(whole, s390x));
    EXPECT_EQ(store_->list()->size(), 1U);
    const oci::Platform other{"linux", "riscv64", ""};
    EXPECT_EQ(load(whole, other).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(load(one, other).error().kind(), ErrorKind::not_found);
}

TEST_F(SaveTest, APartOfAnIndexIsSavedImageByImage) {
    const auto here = make_image({kBase}, Packing::gzip);
    FakeRegistry registry;
    registry.add(here, "unused");
    registry.add_manifest(index_of({{"s390x", "{}"}, {kHost, here.manifest()}}), "1");
    ASSERT_TRUE(store_->pull(registry.reference("1"), {}, {}, {}));
    const auto name = registry.reference("1").familiar();
    const auto archive = *save({name});
    EXPECT_THAT(archive, HasSubstr(R"("digest":")" + digest_text(here.manifest())));
    ASSERT_TRUE(load_elsewhere(archive));
    EXPECT_EQ(store_->find(name)->id, here.id());
}

class ImportTest : public StoreTest {};

TEST_F(ImportTest, ATarBecomesAnImageOfOneLayer) {
    for (const auto packing : {Packing::plain, Packing::gzip, Packing::zstd}) {
        TextReader tar(pack_tar(kBase, packing));
        ImportOptions options;
        options.name = *oci::Reference::parse("base:1");
        options.changes = {"CMD [\"tool\"]", "ENV A=1"};
        options.message = "by hand";
        const auto image = store_->import(tar, options);
        ASSERT_TRUE(image) << image.error().message();
        EXPECT_THAT(image->repo_tags, ElementsAre("base:1"));
        EXPECT_THAT(image->config.cmd, ElementsAre("tool"));
        EXPECT_THAT(image->config.env, ElementsAre("A=1"));
        EXPECT_THAT(image->diff_ids, ElementsAre(digest_text(pack_tar(kBase))));
        EXPECT_EQ(image->architecture, kHost);
        EXPECT_EQ(image->history[0]["comment"], "by hand");
        EXPECT_TRUE(store_->rootfs(image->id));
    }
}

TEST_F(ImportTest, WhatCannotBeImportedLeavesNothing) {
    TextReader tar(pack_tar(kBase));
    EXPECT_EQ(store_->import(tar, {.changes = {"RUN true"}}).error().kind(), ErrorKind::invalid);
    TextReader text("this is no tar, and long enough to be taken for one" + std::string(600, 'x'));
    EXPECT_THAT(store_->import(text, {}).error().message(), HasSubstr("this is no tar archive"));
    EXPECT_EQ(count_files(), 0U);
}

}  // namespace
}  // namespace hako::images
