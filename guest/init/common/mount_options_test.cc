#include "init/common/mount_options.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

namespace hako::init {
namespace {

TEST(MountOptions, FlagsPropagationAndDataAreToldApart) {
    const auto options = parse_mount_options({"ro", "nosuid", "rslave", "size=64k", "mode=755"});
    EXPECT_EQ(options.flags, MS_RDONLY | MS_NOSUID);
    EXPECT_EQ(options.propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
    EXPECT_EQ(options.data, "size=64k,mode=755");
    EXPECT_FALSE(options.bind());
}

TEST(MountOptions, TheLastOfOppositesCounts) {
    EXPECT_EQ(parse_mount_options({"ro", "rw"}).flags, 0U);
    EXPECT_EQ(parse_mount_options({"exec", "noexec"}).flags, static_cast<unsigned long>(MS_NOEXEC));
}

TEST(MountOptions, BindMountsMayBeRecursive) {
    EXPECT_TRUE(parse_mount_options({"rbind"}).bind());
    EXPECT_EQ(parse_mount_options({"rbind"}).flags, static_cast<unsigned long>(MS_BIND | MS_REC));
    EXPECT_EQ(parse_mount_options({}).flags, 0U);
}

}  // namespace
}  // namespace hako::init
