#include "base/disk_reserve.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include "base/fd.h"

namespace hako {
namespace {

TEST(DiskReserve, KeepsItsPartFree) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto fd = open_file(folder->path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd);
    struct statvfs disk {};
    ASSERT_EQ(::fstatvfs(fd->get(), &disk), 0);
    const std::uint64_t size = std::uint64_t{disk.f_blocks} * disk.f_frsize;

    DiskReserve nothing(fd->get(), 0);
    EXPECT_TRUE(nothing.spend(1));
    EXPECT_TRUE(nothing.spend(1));
    DiskReserve all(fd->get(), size);
    EXPECT_EQ(all.spend(1).error().kind(), ErrorKind::exhausted);
    DiskReserve usual(fd->get());
    EXPECT_EQ(usual.spend(size).error().kind(), ErrorKind::exhausted) << "more than there is";
}

}  // namespace
}  // namespace hako
