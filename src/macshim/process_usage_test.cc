#include "macshim/process_usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

#include "base/units.h"

namespace hako::macshim {
namespace {

TEST(ProcessUsage, TellsOfTheProcess) {
    volatile unsigned work = 0;
    while (std::clock() < CLOCKS_PER_SEC / 4) work = work + 1;
    const auto usage = process_usage(::getpid(), 2, 4 * kGiB).value();
    EXPECT_GE(usage.cpu_usage_us(), 200'000U);
    EXPECT_EQ(usage.cpu_usage_us(), usage.cpu_user_us() + usage.cpu_system_us());
    EXPECT_GT(usage.system_cpu_us(), usage.cpu_usage_us());
    EXPECT_GT(usage.memory_usage_bytes(), kMiB);
    EXPECT_GE(usage.memory_peak_bytes(), usage.memory_usage_bytes());
    EXPECT_EQ(usage.memory_limit_bytes(), 4 * kGiB);
    EXPECT_EQ(usage.online_cpus(), 2U);
    EXPECT_GE(usage.pids_current(), 1U);
    EXPECT_FALSE(process_usage(0x7ffffff0, 2, kGiB));
}

}  // namespace
}  // namespace hako::macshim
