#include <gmock/gmock.h>

#include <thread>

#include "base/fd.h"
#include "base/process.h"
#include "images/settling.h"
#include "images/store_fixture.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT: ours, below images
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using ImageStoreTest = StoreTest;

TEST_F(ImageStoreTest, LoadsADockerArchive) {
    const auto image = make_image({kBase, kTop});
    const auto loaded = load(docker_archive(image, {"app:1", "other/app:2"}), Packing::gzip);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_THAT(*loaded, ElementsAre("app:1", "other/app:2"));

    const auto found = store_->find("app:1");
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->id, image.id());
    EXPECT_THAT(found->repo_tags, UnorderedElementsAre("app:1", "other/app:2"));
    EXPECT_THAT(found->config.cmd, ElementsAre("sh"));
    EXPECT_THAT(found->diff_ids,
                ElementsAre(digest_text(pack_tar(kBase)), digest_text(pack_tar(kTop))));
    EXPECT_EQ(found->size, 3U * 4096 + 4096);
}

TEST_F(ImageStoreTest, LoadsAnOciLayoutUnderTheNameInItsAnnotations) {
    const auto image = make_image({kBase}, Packing::zstd);
    const auto loaded = load(oci_layout(image, {{"io.containerd.image.name", "docker.io/me/app:3"},
                                                {"org.opencontainers.image.ref.name", "3"}}),
                             Packing::zstd);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_THAT(*loaded, ElementsAre("me/app:3"));
    EXPECT_EQ(store_->find("me/app:3")->id, image.id());
}

TEST_F(ImageStoreTest, AnImageWithoutANameIsKnownByItsId) {
    const auto image = make_image({kBase});
    EXPECT_THAT(*load(oci_layout(image, {{"org.opencontainers.image.ref.name", "latest"}})),
                ElementsAre(image.id()));
    EXPECT_THAT(store_->find(image.id())->repo_tags, IsEmpty());
}

TEST_F(ImageStoreTest, FollowsLinksBetweenMembersAsNames) {
    const auto image = make_image({kBase, kBase});
    auto archive = docker_archive(image, {"twice:1"});
    archive[0] = {"layer0/layer.tar", {}, "../layer1/layer.tar"};
    const auto loaded = load(archive);
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(store_->find("twice:1")->diff_ids.size(), 2U);
}

TEST_F(ImageStoreTest, NeverFollowsLinksOutOfTheArchive) {
    const auto image = make_image({kBase});
    auto archive = docker_archive(image, {"bad:1"});
    archive[0] = {"layer0/layer.tar", {}, "/etc/passwd"};
    const auto loaded = load(archive);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message(), HasSubstr("has no member layer0/layer.tar"));
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImageStoreTest, RefusesWhatIsDamagedAndLeavesNothing) {
    const auto image = make_image({kBase, kTop});
    const auto good = docker_archive(image, {"app:1"});
    const auto whole = pack_tar(good, Packing::gzip);

    EXPECT_FALSE(load(std::string()));
    EXPECT_FALSE(load(std::string("this is no archive")));
    EXPECT_FALSE(load(whole.substr(0, whole.size() / 2)));
    EXPECT_FALSE(load(pack_tar(good).substr(0, 3000)));
    EXPECT_FALSE(load({{"readme", "hello"}}));

    auto missing = good;
    missing.erase(missing.begin());
    EXPECT_FALSE(load(missing));

    auto swapped = good;
    std::swap(swapped[0].content, swapped[1].content);
    const auto mismatch = load(swapped);
    ASSERT_FALSE(mismatch);
    EXPECT_EQ(mismatch.error().kind(), ErrorKind::corrupt);

    auto layout = oci_layout(image, {{"org.opencontainers.image.ref.name", "app:1"}});
    layout.back().content[600] ^= 1;
    const auto damaged = load(layout);
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().kind(), ErrorKind::corrupt);

    EXPECT_THAT(*store_->list(), IsEmpty());
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImageStoreTest, FindsByNameIdAndPrefix) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:latest"})));
    const auto hex = image.id().substr(7);
    for (const auto& text :
         {std::string("app"), std::string("app:latest"), std::string("docker.io/library/app"),
          image.id(), hex, hex.substr(0, 12), hex.substr(0, 1), "sha256:" + hex.substr(0, 4)})
        EXPECT_TRUE(store_->find(text)) << text;
    EXPECT_EQ(store_->find("foo").error().message(), "No such image: foo:latest");
    EXPECT_EQ(store_->find("a/b:2").error().message(), "No such image: a/b:2");
    EXPECT_EQ(store_->find("a/b:2").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(store_->find("App").error().kind(), ErrorKind::invalid);
    const auto other_id = "sha256:" + std::string(64, '0');
    EXPECT_EQ(store_->find(other_id).error().message(), "No such image: " + other_id);
}

TEST_F(ImageStoreTest, ANameWinsOverAnId) {
    const auto one = make_image({kBase});
    const auto two = make_image({kTop});
    ASSERT_TRUE(load(docker_archive(one, {"one:1"})));
    // A name that is the beginning of the other's id.
    const auto name = one.id().substr(7, 6);
    ASSERT_TRUE(load(docker_archive(two, {name + ":latest"})));
    EXPECT_EQ(store_->find(name)->id, two.id());
}

TEST_F(ImageStoreTest, TagsMoveAndImagesGoWithTheirLastName) {
    const auto image = make_image({kBase, kTop});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    ASSERT_TRUE(store_->tag("app:1", *oci::Reference::parse("app:2")));
    EXPECT_FALSE(store_->tag("none", *oci::Reference::parse("app:3")));

    const auto untagged = store_->remove("app:1", {}, {});
    EXPECT_THAT(untagged->untagged, ElementsAre("app:1"));
    EXPECT_THAT(untagged->deleted, IsEmpty());
    EXPECT_TRUE(store_->find("app:2"));

    const auto deleted = store_->remove("app:2", {}, {});
    EXPECT_THAT(deleted->untagged, ElementsAre("app:2"));
    EXPECT_THAT(deleted->deleted,
                ElementsAre(image.id(), digest_text(pack_tar(kTop)), digest_text(pack_tar(kBase))));
    EXPECT_THAT(*store_->list(), IsEmpty());
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImageStoreTest, SharedLayersStayWhileAnImageNeedsThem) {
    const auto one = make_image({kBase});
    const auto two = make_image({kBase, kTop});
    ASSERT_TRUE(load(docker_archive(one, {"one:1"})));
    ASSERT_TRUE(load(docker_archive(two, {"two:1"})));
    const auto removed = store_->remove("two:1", {}, {});
    EXPECT_THAT(removed->deleted, ElementsAre(two.id(), digest_text(pack_tar(kTop))));
    EXPECT_TRUE(store_->rootfs(one.id()));
}

TEST_F(ImageStoreTest, ByIdSeveralNamesNeedForce) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1", "app:2"})));
    const auto refused = store_->remove(image.id(), {}, {});
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    EXPECT_EQ(refused.error().message(),
              "conflict: unable to delete " + image.id().substr(7, 12) +
                  " (must be forced) - image is referenced in multiple repositories");
    const auto removed = store_->remove(image.id(), {.force = true}, {});
    EXPECT_THAT(removed->untagged, UnorderedElementsAre("app:1", "app:2"));
    EXPECT_FALSE(store_->find(image.id()));
}

TEST_F(ImageStoreTest, ImagesThatContainersUseStay) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const std::string container(64, 'c');
    const auto stopped = [&](const std::string&) {
        return std::vector<ImageUser>{{container, false}};
    };
    const auto running = [&](const std::string&) {
        return std::vector<ImageUser>{{container, true}};
    };
    const auto short_id = image.id().substr(7, 12);
    EXPECT_EQ(store_->remove("app:1", {}, stopped).error().message(),
              "conflict: unable to remove repository reference \"app:1\" (must force) - container "
              "cccccccccccc is using its referenced image " +
                  short_id);
    EXPECT_EQ(store_->remove(short_id, {}, stopped).error().message(),
              "conflict: unable to delete " + short_id +
                  " (must be forced) - image is being used by stopped container cccccccccccc");
    EXPECT_EQ(store_->remove(short_id, {.force = true}, running).error().message(),
              "conflict: unable to delete " + short_id +
                  " (cannot be forced) - image is being used by running container cccccccccccc");
    // Forced, it loses its name only.
    const auto removed = store_->remove("app:1", {.force = true}, stopped);
    EXPECT_THAT(removed->untagged, ElementsAre("app:1"));
    EXPECT_THAT(removed->deleted, IsEmpty());
    EXPECT_TRUE(store_->rootfs(image.id()));
}

TEST_F(ImageStoreTest, ALoadedNameMovesToTheNewImage) {
    const auto old_image = make_image({kBase}, Packing::plain, "old");
    const auto new_image = make_image({kBase}, Packing::plain, "new");
    ASSERT_TRUE(load(docker_archive(old_image, {"app:1"})));
    ASSERT_TRUE(load(docker_archive(new_image, {"app:1"})));
    EXPECT_EQ(store_->find("app:1")->id, new_image.id());
    EXPECT_THAT(store_->find(old_image.id())->repo_tags, IsEmpty());
    EXPECT_EQ(store_->list()->size(), 2U);
}

TEST_F(ImageStoreTest, TheRootfsIsMetadataAndDataOnce) {
    const auto image = make_image({kBase, {{"empty/"}}, kTop});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto first = store_->rootfs(image.id());
    ASSERT_TRUE(first) << first.error().message();
    ASSERT_EQ(first->extents.size(), 3U);  // the layer without data adds nothing
    for (const auto& extent : first->extents) EXPECT_EQ(fs::file_size(extent) % 4096, 0U);
    const auto written = fs::last_write_time(first->extents[0]);
    EXPECT_EQ(store_->rootfs(image.id())->extents, first->extents);
    EXPECT_EQ(fs::last_write_time(first->extents[0]), written);
    EXPECT_FALSE(store_->rootfs("sha256:" + std::string(64, 'a')));
}

TEST_F(ImageStoreTest, AnImageSettlesAndItsNoteGoes) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto note = layout_->unsettled() / image.id().substr(7);
    for (int i = 0; i < 1000 && fs::exists(note); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(fs::exists(note));
}

TEST_F(ImageStoreTest, AnImageThatAPowerFailureMayHaveDamagedIsDropped) {
    const auto lost = make_image({kBase, kTop});
    const auto kept = make_image({kBase}, Packing::plain, "kept");
    ASSERT_TRUE(load(docker_archive(lost, {"lost:1"})));
    ASSERT_TRUE(load(docker_archive(kept, {"kept:1"})));
    store_.reset();
    fs::remove_all(layout_->unsettled() / kept.id().substr(7));
    ASSERT_TRUE(write_file(layout_->unsettled() / lost.id().substr(7), "of another boot"));
    reopen();
    EXPECT_EQ(store_->find("lost:1").error().kind(), ErrorKind::not_found);
    EXPECT_TRUE(store_->rootfs(kept.id()));
    EXPECT_FALSE(fs::exists(layout_->layers() / digest_text(pack_tar(kTop)).substr(7)));

    // Of this boot: the page cache has it all.
    ASSERT_TRUE(load(docker_archive(lost, {"lost:1"})));
    store_.reset();
    ASSERT_TRUE(write_file(layout_->unsettled() / lost.id().substr(7), boot_id().value()));
    reopen();
    EXPECT_TRUE(store_->find("lost:1"));
}

TEST_F(ImageStoreTest, ViewsOfAnotherBootAreMadeAnew) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto view = store_->rootfs(image.id())->extents[0];
    ASSERT_TRUE(write_file(view, "cut short"));
    reopen();
    EXPECT_EQ(fs::file_size(view), 9U) << "the boot is the same";
    ASSERT_TRUE(write_file(layout_->unsettled() / "views-are-of-boot", "another"));
    reopen();
    EXPECT_GE(fs::file_size(store_->rootfs(image.id())->extents[0]), 4096U);
}

TEST_F(ImageStoreTest, LayersThatDoNotFitAreRefusedWhenTheyComeIn) {
    const auto image = make_image({{{.name = "link", .hardlink = "nowhere"}}});
    EXPECT_EQ(load(docker_archive(image, {"app:1"})).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(count_files(), 0U);
}

TEST_F(ImageStoreTest, WhatACrashLeftIsRemovedWhenTheStoreOpens) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto files = count_files();
    ASSERT_TRUE(write_file(layout_->content() / "ingest" / "half", "half a blob"));
    ASSERT_TRUE(write_file(layout_->content() / "blobs/sha256" / std::string(64, 'b'), "orphan"));
    fs::create_directories(layout_->layers() / std::string(64, 'd'));
    ASSERT_TRUE(write_file(layout_->views() / "gone.erofs", "orphan"));
    reopen();
    EXPECT_EQ(count_files(), files);
    EXPECT_FALSE(fs::exists(layout_->layers() / std::string(64, 'd')));
    EXPECT_TRUE(store_->find("app:1"));
}

TEST_F(ImageStoreTest, ADamagedConfigurationIsNamed) {
    const auto image = make_image({kBase});
    ASSERT_TRUE(load(docker_archive(image, {"app:1"})));
    const auto blob = layout_->content() / "blobs/sha256" / image.id().substr(7);
    ASSERT_TRUE(write_file(blob, "{}"));
    const auto found = store_->find("app:1");
    EXPECT_EQ(found.error().kind(), ErrorKind::corrupt);
    EXPECT_THAT(found.error().message(), HasSubstr(image.id()));
}

TEST_F(ImageStoreTest, HelloIsLoadedOnceAndUnderItsNameOnly) {
    const auto image = make_image({kBase});
    const auto archive = folder_->path() / "hello.tar";
    ASSERT_TRUE(write_file(archive, pack_tar(docker_archive(image, {"hako/hello:latest"}))));
    ASSERT_TRUE(ensure_hello(*store_, archive));
    fs::remove(archive);
    ASSERT_TRUE(ensure_hello(*store_, archive));
    EXPECT_EQ(store_->find("hako/hello")->id, image.id());
    EXPECT_FALSE(store_->find("hello"));
}

}  // namespace
}  // namespace hako::images
