#include "init/vminitd/cgroup.h"

#include <gmock/gmock.h>

namespace hako::init {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CgroupSettings, LimitsOfTheSpecificationBecomeFiles) {
    const auto settings =
        cgroup_settings({{"memory", {{"limit", 1 << 30}, {"swap", 3U << 29}}},
                         {"cpu", {{"quota", 150'000}, {"shares", 1024}, {"cpus", "0-1"}}},
                         {"pids", {{"limit", 100}}},
                         {"devices", {{{"allow", false}}}}});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_THAT(
        *settings,
        ElementsAre(CgroupSetting{"memory.max", "1073741824"},
                    CgroupSetting{"memory.swap.max", "536870912"},
                    CgroupSetting{"cpu.weight", "39"}, CgroupSetting{"cpu.max", "150000 100000"},
                    CgroupSetting{"cpuset.cpus", "0-1"}, CgroupSetting{"pids.max", "100"}));
}

TEST(CgroupSettings, NoLimitIsMax) {
    const auto settings = cgroup_settings(
        {{"memory", {{"limit", -1}}}, {"cpu", {{"quota", -1}}}, {"pids", {{"limit", -1}}}});
    EXPECT_THAT(*settings, ElementsAre(CgroupSetting{"memory.max", "max"},
                                       CgroupSetting{"cpu.max", "max 100000"},
                                       CgroupSetting{"pids.max", "max"}));
    EXPECT_THAT(*cgroup_settings(Json::object()), IsEmpty());
    EXPECT_THAT(*cgroup_settings({{"pids", {{"limit", 0}}}}), IsEmpty());
}

TEST(CgroupSettings, SharesCoverTheWholeRangeOfWeights) {
    const auto weight = [](int shares) {
        return cgroup_settings({{"cpu", {{"shares", shares}}}})->front().value;
    };
    EXPECT_EQ(weight(2), "1");
    EXPECT_EQ(weight(262144), "10000");
    EXPECT_EQ(weight(1), "1");
    EXPECT_EQ(weight(9'999'999), "10000");
}

TEST(CgroupSettings, WrongTypesAndPathsAreErrors) {
    EXPECT_FALSE(cgroup_settings({{"memory", {{"limit", "1g"}}}}));
    EXPECT_FALSE(cgroup_settings({{"cpu", 3}}));
    EXPECT_FALSE(cgroup_settings({{"unified", {{"../memory.max", "1"}}}}));
}

}  // namespace
}  // namespace hako::init
