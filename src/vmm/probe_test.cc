#include "vmm/probe.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/paths.h"

namespace hako::vmm {
namespace {

class ProbeTest : public testing::Test {
protected:
    ProbeEnvironment environment(Result<void> outcome) {
        return {.override_value = "",
                .kvm_device = "/dev/null",  // it opens
                .verdict = folder_.path() / "run" / "accelerator.json",
                .key = "boot-1 qemu-1",
                .run = [this, outcome] {
                    ++runs_;
                    return outcome;
                }};
    }
    TempDir folder_ = *TempDir::create();
    int runs_ = 0;
};

TEST_F(ProbeTest, UsesKvmThatRunsAVm) {
    const auto result = probe_accelerator(environment({}));
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->accelerator, Accelerator::kvm);
    EXPECT_GT(result->tsc_khz, 0U);
}

TEST_F(ProbeTest, FallsBackWhenTheGuestHangs) {
    const auto result =
        probe_accelerator(environment(fail(ErrorKind::deadline, "the guest did not start")));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->accelerator, Accelerator::tcg);
    EXPECT_NE(result->reason.find("the guest did not start"), std::string::npos);
}

TEST_F(ProbeTest, FallsBackWithoutTheDevice) {
    auto without = environment({});
    without.kvm_device = folder_.path() / "no-kvm";
    const auto result = probe_accelerator(without);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->accelerator, Accelerator::tcg);
    EXPECT_EQ(runs_, 0);
}

TEST_F(ProbeTest, RemembersTheVerdictForThisBoot) {
    const auto bad = fail(ErrorKind::deadline, "slow");
    const auto first = probe_accelerator(environment(bad));
    const auto second = probe_accelerator(environment({}));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(runs_, 1);
    EXPECT_EQ(second->accelerator, Accelerator::tcg);
    EXPECT_EQ(second->reason, first->reason);
    EXPECT_EQ(second->tsc_khz, first->tsc_khz);

    auto next_boot = environment({});
    next_boot.key = "boot-2 qemu-1";
    EXPECT_EQ(probe_accelerator(next_boot)->accelerator, Accelerator::kvm);
    EXPECT_EQ(runs_, 2);
}

TEST_F(ProbeTest, ProbesAgainWhenTheVerdictIsDamaged) {
    const auto wanted = environment({});
    ASSERT_TRUE(make_folders(wanted.verdict.parent_path()));
    ASSERT_TRUE(write_file(wanted.verdict, "{\"key\":"));
    EXPECT_EQ(probe_accelerator(wanted)->accelerator, Accelerator::kvm);
    EXPECT_EQ(runs_, 1);
}

TEST_F(ProbeTest, ObeysTheOverride) {
    auto forced = environment({});
    for (const auto& [value, accelerator] :
         {std::pair("kvm", Accelerator::kvm), std::pair("tcg", Accelerator::tcg)}) {
        forced.override_value = value;
        EXPECT_EQ(probe_accelerator(forced)->accelerator, accelerator);
    }
    EXPECT_EQ(runs_, 0);
    forced.override_value = "xen";
    EXPECT_EQ(probe_accelerator(forced).error().kind(), ErrorKind::invalid);
}

}  // namespace
}  // namespace hako::vmm
