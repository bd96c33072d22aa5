#include "base/disk_usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/paths.h"
#include "base/units.h"

namespace hako {
namespace {

TEST(DiskUsage, CountsBlocksOfFilesAndOfAllInAFolder) {
    const TempDir folder = TempDir::create().value();
    const auto inner = folder.path() / "inner";
    std::filesystem::create_directory(inner);
    ASSERT_TRUE(write_file(inner / "full", std::string(64 * kKiB, 'x')));
    ASSERT_TRUE(write_file(folder.path() / "sparse", ""));
    ASSERT_EQ(::truncate((folder.path() / "sparse").c_str(), off_t(kGiB)), 0);
    EXPECT_LT(disk_usage(folder.path() / "sparse"), kMiB);
    EXPECT_GE(disk_usage(inner / "full"), 64 * kKiB);
    EXPECT_GE(disk_usage(folder.path()), 64 * kKiB);
    EXPECT_LT(disk_usage(folder.path()), kMiB);
}

TEST(DiskUsage, FollowsNoLinksAndMissesNothing) {
    const TempDir folder = TempDir::create().value();
    const TempDir other = TempDir::create().value();
    ASSERT_TRUE(write_file(other.path() / "full", std::string(kMiB, 'x')));
    std::filesystem::create_directory_symlink(other.path(), folder.path() / "link");
    EXPECT_LT(disk_usage(folder.path()), kMiB);
    EXPECT_LT(disk_usage(folder.path() / "link"), kMiB);
    EXPECT_EQ(disk_usage(folder.path() / "none"), 0U);
}

}  // namespace
}  // namespace hako
