#include "vmm/machine_spec.h"

#include <gtest/gtest.h>

namespace hako::vmm {
namespace {

MachineSpec sample() {
    return {.id = "0123456789abcdef",
            .kernel = "/k/vmlinux",
            .initramfs = "/k/initramfs",
            .kernel_arguments = {"a=1"},
            .memory_bytes = 256 * kMiB,
            .cpus = 3,
            .accelerator = Accelerator::kvm,
            .channel = AgentChannel::vsock,
            .vsock_cid = 7,
            .tsc_khz = 2'400'000,
            .disks = {{.serial = "rootfs", .extents = {"/a", "/b"}, .read_only = true},
                      {.serial = "scratch", .extents = {"/c"}}}};
}

TEST(MachineSpecTest, GoesThroughJsonUnchanged) {
    const auto json = to_json(sample());
    const auto spec = machine_spec_from_json(json);
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(to_json(*spec), json);
    EXPECT_EQ(spec->disks[0].extents.size(), 2U);
    EXPECT_TRUE(spec->disks[0].read_only);
    EXPECT_EQ(spec->accelerator, Accelerator::kvm);
}

TEST(MachineSpecTest, NamesTheMinimumOfMemory) {
    auto spec = sample();
    spec.memory_bytes = kMinimumMemory - 1;
    const auto checked = validate(spec);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind(), ErrorKind::invalid);
    EXPECT_NE(checked.error().message().find("at least 64 MiB"), std::string::npos);
}

TEST(MachineSpecTest, RefusesWhatQemuWouldMisread) {
    const auto refused = [](auto change) {
        auto spec = sample();
        change(spec);
        return !validate(spec);
    };
    EXPECT_TRUE(refused([](auto& spec) { spec.id = "../x"; }));
    EXPECT_TRUE(refused([](auto& spec) { spec.cpus = 0; }));
    EXPECT_TRUE(refused([](auto& spec) { spec.vsock_cid = 2; }));
    EXPECT_TRUE(refused([](auto& spec) { spec.disks[0].serial = "a,b"; }));
    EXPECT_TRUE(refused([](auto& spec) { spec.disks[0].serial = std::string(21, 'x'); }));
    EXPECT_TRUE(refused([](auto& spec) { spec.disks[0].read_only = false; }));
    EXPECT_TRUE(refused([](auto& spec) { spec.disks[1].extents.clear(); }));
    EXPECT_TRUE(refused([](auto& spec) { spec.disks[1].bay = true; }));
}

TEST(MachineSpecTest, RefusesJsonOfTheWrongShape) {
    for (const auto* text : {R"({"id":"a","cpus":-1})", R"({"id":"a","accelerator":"xen"})",
                             R"({"id":"a","disks":[{"serial":"s","extents":"/x"}]})", R"([])"}) {
        const auto json = parse_json(text);
        ASSERT_TRUE(json);
        EXPECT_FALSE(machine_spec_from_json(*json)) << text;
    }
}

TEST(MachineSpecTest, MeasuresTheClockAlikeTwice) {
    const double first = measure_tsc_khz();
    const double second = measure_tsc_khz();
    EXPECT_GT(first, 100'000);
    EXPECT_NEAR(second / first, 1.0, 0.001);
}

}  // namespace
}  // namespace hako::vmm
