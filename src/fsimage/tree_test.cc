#include "fsimage/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "fsimage/testing/layers.h"

namespace hako::fsimage {
namespace {

using testing::ElementsAre;

class TreeTest : public testing::Test {
protected:
    // Applies a tar on top of what is there.
    Result<void> apply(const TarBuilder& tar) {
        layers_.with(tar);
        // Texts of the tree lie in the indexes: they must not move.
        auto index =
            std::make_unique<LayerIndex>(LayerIndex::load(layers_.files().back().index).value());
        indexes_.push_back(std::move(index));
        return tree_.apply(*indexes_.back(), static_cast<std::uint32_t>(indexes_.size() - 1));
    }
    void must_apply(const TarBuilder& tar) {
        const auto applied = apply(tar);
        ASSERT_TRUE(applied) << applied.error().message();
    }
    ErrorKind kind_of(const TarBuilder& tar) {
        const auto applied = apply(tar);
        EXPECT_FALSE(applied);
        return applied ? ErrorKind::internal : applied.error().kind();
    }

    // All names as "path kind", directories end with a slash; files carry their layer.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        collect(Tree::kRoot, "", result);
        std::ranges::sort(result);
        return result;
    }
    void collect(NodeId directory, const std::string& path, std::vector<std::string>& out) const {
        for (NodeId id = tree_.node(directory).first_child; id != kNoNode;
             id = tree_.node(id).next) {
            const Inode& inode = tree_.inode_of(id);
            const std::string name = path + std::string(tree_.node(id).name);
            if (inode.type == EntryType::directory) {
                out.push_back(name + "/");
                collect(id, name + "/", out);
            } else if (inode.type == EntryType::symlink) {
                out.push_back(fmt::format("{} -> {}", name, inode.link));
            } else {
                out.push_back(fmt::format("{} {}", name, inode.layer));
            }
        }
    }
    NodeId find(std::string_view path) const {
        NodeId at = Tree::kRoot;
        while (!path.empty()) {
            const auto name = path.substr(0, path.find('/'));
            path.remove_prefix(std::min(path.size(), name.size() + 1));
            NodeId child = tree_.node(at).first_child;
            while (child != kNoNode && tree_.node(child).name != name)
                child = tree_.node(child).next;
            if (child == kNoNode) return kNoNode;
            at = child;
        }
        return at;
    }

    Layers layers_;
    std::vector<std::unique_ptr<LayerIndex>> indexes_;
    Tree tree_;
};

TEST_F(TreeTest, UpperFilesReplaceLowerOnes) {
    must_apply(TarBuilder().directory("d").file("d/a").file("d/b"));
    must_apply(TarBuilder().file("d/b").file("d/c"));
    EXPECT_THAT(names(), ElementsAre("d/", "d/a 0", "d/b 1", "d/c 1"));
}

TEST_F(TreeTest, ADirectoryOverADirectoryKeepsItsContents) {
    must_apply(TarBuilder().directory("d", 0700).file("d/a"));
    must_apply(TarBuilder().directory("d", 0711));
    EXPECT_THAT(names(), ElementsAre("d/", "d/a 0"));
    EXPECT_EQ(tree_.inode_of(find("d")).mode, 0711U);
}

TEST_F(TreeTest, AFileReplacesADirectoryAndBack) {
    must_apply(TarBuilder().directory("d").file("d/a"));
    must_apply(TarBuilder().file("d"));
    EXPECT_THAT(names(), ElementsAre("d 1"));
    must_apply(TarBuilder().directory("d").file("d/b"));
    EXPECT_THAT(names(), ElementsAre("d/", "d/b 2"));
}

TEST_F(TreeTest, WhiteoutsHideLowerLayersOnly) {
    must_apply(TarBuilder().file("a").file("d/x").file("d/y").file("keep"));
    // The whiteout after the file of its own layer, and before.
    must_apply(TarBuilder().file("a").file(".wh.a").file("d/.wh.x").file("d/x").file(".wh.none"));
    EXPECT_THAT(names(), ElementsAre("a 1", "d/", "d/x 1", "d/y 0", "keep 0"));
    must_apply(TarBuilder().file(".wh.d").file("gone/away/.wh.x"));
    EXPECT_THAT(names(), ElementsAre("a 1", "keep 0"));
}

TEST_F(TreeTest, OpaqueDirectoriesHideLowerLayersOnly) {
    must_apply(TarBuilder().file("d/old").file("d/e/old").file("x"));
    must_apply(TarBuilder().file("d/new").file("d/.wh..wh..opq").file("d/e/new"));
    EXPECT_THAT(names(), ElementsAre("d/", "d/e/", "d/e/new 1", "d/new 1", "x 0"));
    must_apply(TarBuilder().file(".wh..wh..opq").file("y"));
    EXPECT_THAT(names(), ElementsAre("y 2"));
}

TEST_F(TreeTest, AWhiteoutDoesNotLeakIntoTheNextEntry) {
    // The entry after a whiteout of the same folder, which the whiteouts did not make.
    must_apply(TarBuilder().file("d/.wh.x").file("d/y"));
    EXPECT_THAT(names(), ElementsAre("d/", "d/y 0"));
}

TEST_F(TreeTest, ImpliedFoldersHaveDefaults) {
    must_apply(TarBuilder().file("a/b/c"));
    const Inode& made = tree_.inode_of(find("a/b"));
    EXPECT_EQ(made.mode, 0755U);
    EXPECT_EQ(made.uid, 0U);
    EXPECT_EQ(made.mtime, Timestamp{});
    // A later entry gives them their own.
    must_apply(TarBuilder().directory("a", 0750));
    EXPECT_EQ(tree_.inode_of(find("a")).mode, 0750U);
    EXPECT_THAT(names(), ElementsAre("a/", "a/b/", "a/b/c 0"));
}

TEST_F(TreeTest, TheRootHasItsOwnEntry) {
    must_apply(TarBuilder().directory("./", 01777).file("f"));
    EXPECT_EQ(tree_.inode_of(Tree::kRoot).mode, 01777U);
    EXPECT_THAT(names(), ElementsAre("f 0"));
}

TEST_F(TreeTest, HardLinksShareTheInodeOfTheMoment) {
    must_apply(TarBuilder().file("a").hardlink("b", "a"));
    EXPECT_EQ(tree_.node(find("a")).inode, tree_.node(find("b")).inode);
    // A link into the lower layer; then the target's name gets another file.
    must_apply(TarBuilder().hardlink("c", "/a").file("a"));
    EXPECT_EQ(tree_.node(find("c")).inode, tree_.node(find("b")).inode);
    EXPECT_NE(tree_.node(find("c")).inode, tree_.node(find("a")).inode);
    must_apply(TarBuilder().hardlink("c", "c"));
    EXPECT_THAT(names(), ElementsAre("a 1", "b 0", "c 0"));
}

TEST_F(TreeTest, HardLinksToNothingAreRefused) {
    EXPECT_EQ(kind_of(TarBuilder().hardlink("a", "none")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().hardlink("a", "a")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().hardlink("later", "f").file("f")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().directory("d").hardlink("a", "d")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().hardlink("a", "/")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("f").hardlink("a", "f/x")), ErrorKind::invalid);
}

TEST_F(TreeTest, SymlinksInPathsAreFollowedWithinTheTree) {
    must_apply(
        TarBuilder().directory("usr/lib").symlink("lib", "usr/lib").symlink("out", "/../../.."));
    must_apply(TarBuilder().file("lib/x").file("out/etc/passwd").hardlink("lib/y", "lib/x"));
    EXPECT_THAT(names(), ElementsAre("etc/", "etc/passwd 1", "lib -> usr/lib", "out -> /../../..",
                                     "usr/", "usr/lib/", "usr/lib/x 1", "usr/lib/y 1"));
    must_apply(TarBuilder().file("lib/.wh.x"));
    EXPECT_EQ(find("usr/lib/x"), kNoNode);
}

TEST_F(TreeTest, ASymlinkAsTheLastComponentIsReplaced) {
    must_apply(TarBuilder().directory("real").symlink("s", "real"));
    must_apply(TarBuilder().directory("s").file("s/f"));
    EXPECT_THAT(names(), ElementsAre("real/", "s/", "s/f 1"));
}

TEST_F(TreeTest, ADanglingSymlinkLeadsToFoldersThatAreMade) {
    must_apply(TarBuilder().symlink("s", "a/b").file("s/f"));
    EXPECT_THAT(names(), ElementsAre("a/", "a/b/", "a/b/f 0", "s -> a/b"));
}

TEST_F(TreeTest, AFileInAPathBecomesAFolder) {
    must_apply(TarBuilder().file("f"));
    must_apply(TarBuilder().file("f/x"));
    EXPECT_THAT(names(), ElementsAre("f/", "f/x 1"));
}

TEST_F(TreeTest, LoopsOfSymlinksAreRefused) {
    must_apply(TarBuilder().symlink("a", "b").symlink("b", "a").symlink("self", "self/x"));
    EXPECT_EQ(kind_of(TarBuilder().file("a/f")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("self/f")), ErrorKind::invalid);
    EXPECT_EQ(kind_of(TarBuilder().file("a/.wh.f")), ErrorKind::invalid);
}

TEST_F(TreeTest, ManyNamesInOneDirectory) {
    TarBuilder many;
    for (int i = 0; i < 20'000; ++i) many.file(fmt::format("d/{}", i));
    must_apply(many);
    TarBuilder half;
    for (int i = 0; i < 20'000; i += 2) half.file(fmt::format("d/.wh.{}", i));
    for (int i = 0; i < 20'000; i += 4) half.file(fmt::format("d/{}", i));
    must_apply(half);
    EXPECT_EQ(names().size(), 15'001U);
    EXPECT_NE(find("d/4"), kNoNode);
    EXPECT_EQ(find("d/2"), kNoNode);
    EXPECT_NE(find("d/1"), kNoNode);
}

}  // namespace
}  // namespace hako::fsimage
