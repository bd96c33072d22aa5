#include "base/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/fd.h"

namespace hako {
namespace {

TEST(Layout, KeepsSocketPathsShort) {
    const Layout layout("/var/lib/hako", "/run/hako");
    const std::string id(64, 'a');
    EXPECT_EQ(layout.container(id), "/var/lib/hako/containers/" + id);
    EXPECT_EQ(layout.sandbox(id), "/run/hako/vm/aaaaaaaaaaaa");
}

TEST(MakeFolders, MakesParentsAndSetsTheModeOfTheLastOnce) {
    auto folder = TempDir::create();
    const auto path = folder->path() / "a" / "b";
    ASSERT_TRUE(make_folders(path, 0711));
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0711U);
    ASSERT_TRUE(make_folders(path, 0700));  // there already: left as it is
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0711U);
    ASSERT_TRUE(write_file(folder->path() / "file", ""));
    EXPECT_FALSE(make_folders(folder->path() / "file" / "below"));
}

}  // namespace
}  // namespace hako
