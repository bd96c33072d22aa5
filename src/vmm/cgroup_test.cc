#include "vmm/cgroup.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/paths.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

TEST(CgroupTest, SaysWhatCannotBeLimited) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto cgroup = CgroupTree(folder->path()).create("vm", {.memory_bytes = 1, .pids = 1});
    EXPECT_TRUE(cgroup.procs_files.empty());
    ASSERT_EQ(cgroup.notes.size(), 1U);
    EXPECT_EQ(cgroup.notes[0], "nothing is limited: this host has no cgroups");
}

// A tree of plain folders: control files are not there, which is what a controller that is missing
// looks like.
TEST(CgroupTest, JoinsEveryV1HierarchyThatExists) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    for (const auto* controller : {"memory", "pids"}) {
        ASSERT_TRUE(make_folders(folder->path() / controller));
        ASSERT_TRUE(write_file(folder->path() / controller / "cgroup.procs", ""));
    }
    const CgroupTree tree(folder->path());
    const auto cgroup = tree.create("vm", {.memory_bytes = 1, .pids = 1});
    EXPECT_EQ(cgroup.procs_files,
              (std::vector<fs::path>{folder->path() / "memory/hako/vm/cgroup.procs",
                                     folder->path() / "pids/hako/vm/cgroup.procs"}));
    EXPECT_EQ(cgroup.notes.size(), 2U);
    EXPECT_TRUE(tree.remove("vm"));
    EXPECT_FALSE(fs::exists(folder->path() / "memory/hako"));
    EXPECT_TRUE(tree.remove("vm"));  // and again
}

TEST(CgroupTest, SweepsWhatAKilledOwnerLeft) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    ASSERT_TRUE(write_file(folder->path() / "cgroup.controllers", "memory\n"));
    const auto parent = folder->path() / "hako";
    for (const auto* name : {"probe-left", "probe-used", "other"})
        ASSERT_TRUE(make_folders(parent / name));
    ASSERT_TRUE(make_folders(parent / "probe-used" / "busy"));  // rmdir refuses it
    CgroupTree(folder->path()).remove_empty("probe-");
    EXPECT_FALSE(fs::exists(parent / "probe-left"));
    EXPECT_TRUE(fs::exists(parent / "probe-used"));
    EXPECT_TRUE(fs::exists(parent / "other"));
}

TEST(CgroupTest, UsesTheUnifiedHierarchyWhereItHasControllers) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    ASSERT_TRUE(write_file(folder->path() / "cgroup.controllers", "cpu memory pids\n"));
    const auto cgroup = CgroupTree(folder->path()).create("vm", {.memory_bytes = 1, .pids = 1});
    EXPECT_EQ(cgroup.procs_files, (std::vector<fs::path>{folder->path() / "hako/vm/cgroup.procs"}));
}

}  // namespace
}  // namespace hako::vmm
