#include "engine/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

Container container(const HostConfig& host = {}) {
    CreateRequest request;
    request.config.image = "busybox";
    request.config.cmd = {{"true"}};
    request.host_config = host;
    return *make_container(request, images::Image{}, std::string(64, 'a'), 4);
}

const MachineParts kParts = {
    .kernel = "/k", .initramfs = "/i", .rootfs = {{"/view", "/layer"}}, .host_cpus = 4};

Json process_of(const runtime::SandboxSpec& sandbox) {
    return parse_json(sandbox.container.oci_spec).value().at("process");
}

TEST(Settings, AMachineHasRoomForItsContainersLimit) {
    EXPECT_EQ(memory_limit({}), kDefaultMemory);
    for (const std::uint64_t limit : {6 * kMiB, 64 * kMiB, 512 * kMiB, 64 * kGiB}) {
        EXPECT_GE(machine_memory(limit), limit + 64 * kMiB);
        EXPECT_GE(machine_memory(limit), vmm::kMinimumMemory);
        EXPECT_EQ(machine_memory(limit) % (2 * kMiB), 0U);
    }
}

TEST(Settings, CpusAreWholeInTheMachineAndExactInItsCgroup) {
    constexpr auto kKvm = vmm::Accelerator::kvm, kTcg = vmm::Accelerator::tcg;
    EXPECT_EQ(machine_cpus({}, kKvm, 8), kDefaultCpus);
    EXPECT_EQ(machine_cpus({}, kKvm, 1), 1U);
    EXPECT_EQ(machine_cpus({}, kTcg, 8), kDefaultEmulatedCpus);
    EXPECT_EQ(machine_cpus({.nano_cpus = 1'500'000'000}, kTcg, 8), 2U);
    EXPECT_EQ(machine_cpus({.cpu_quota = 250'000}, kKvm, 8), 3U);
    EXPECT_EQ(machine_cpus({.cpu_quota = 900'000}, kKvm, 2), 2U) << "never more than the host has";
    const auto sandbox =
        make_sandbox(container({.nano_cpus = 1'500'000'000}), kParts, {"/r", "/s"});
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    const Json cpu =
        parse_json(sandbox->container.oci_spec).value().at("linux").at("resources").at("cpu");
    EXPECT_EQ(cpu.at("quota"), 150'000);
    EXPECT_EQ(cpu.at("period"), 100'000);
}

TEST(Settings, WhatNoMachineCanHaveIsRefused) {
    const auto refused = [](const HostConfig& host) { return !check_host_config(host, 4); };
    EXPECT_TRUE(refused({.memory = std::uint64_t{1} << 62U}));
    EXPECT_TRUE(refused({.sysctls = {{"../../etc/passwd", "1"}}}));
    EXPECT_FALSE(refused({.sysctls = {{"net.ipv4.conf.eth0/1.forwarding", "1"}}}));
    const auto makes = [](const ContainerConfig& config) {
        CreateRequest request;
        request.config = config;
        request.config.cmd = {{"true"}};
        return make_container(request, images::Image{}, std::string(64, 'a'), 4).has_value();
    };
    EXPECT_TRUE(makes({.hostname = "a-b_c.d"}));
    EXPECT_FALSE(makes({.hostname = "a\n1.2.3.4 b"}));
    EXPECT_FALSE(makes({.domainname = "a b"}));
    EXPECT_FALSE(makes({.stop_timeout = -2}));
    EXPECT_TRUE(makes({.stop_timeout = -1}));
}

TEST(Settings, ScratchSize) {
    EXPECT_EQ(*scratch_size({}), kDefaultScratchSize);
    EXPECT_EQ(*scratch_size({.storage_opt = {{"size", "1g"}}}), kGiB);
    EXPECT_FALSE(scratch_size({.storage_opt = {{"size", "1k"}}}));
    EXPECT_FALSE(scratch_size({.storage_opt = {{"size", "much"}}}));
    EXPECT_FALSE(scratch_size({.storage_opt = {{"colour", "red"}}}));
}

TEST(Settings, ASandboxHasItsDisksAndFiles) {
    Container box = container();
    box.config.hostname = "boxy";
    box.config.domainname = "example.org";
    const Layout layout("/r", "/s");
    const auto sandbox = make_sandbox(box, kParts, layout);
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    ASSERT_EQ(sandbox->machine.disks.size(), 2U);
    EXPECT_TRUE(sandbox->machine.disks[0].read_only);
    EXPECT_EQ(sandbox->machine.disks[0].extents.size(), 2U);
    EXPECT_EQ(sandbox->machine.disks[1].extents[0], layout.container_scratch(box.id));
    EXPECT_EQ(sandbox->container.files.at("/etc/hostname"), "boxy\n");
    EXPECT_THAT(sandbox->container.files.at("/etc/hosts"),
                HasSubstr("127.0.0.1\tboxy.example.org boxy\n"));
    EXPECT_EQ(sandbox->container.seccomp, runtime::kBuiltinSeccomp);
    EXPECT_EQ(sandbox->folder, layout.sandbox(box.id));
}

TEST(Settings, ABlockVolumeIsADiskOfTheMachine) {
    Container box = container();
    box.mounts = {{.type = MountType::volume,
                   .name = "data",
                   .source = "/r/volumes/data/disk.ext4",
                   .target = "/data",
                   .driver = "block"}};
    const auto sandbox = make_sandbox(box, kParts, {"/r", "/s"});
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    ASSERT_EQ(sandbox->machine.disks.size(), 3U);
    EXPECT_EQ(sandbox->machine.disks[2].extents[0], "/r/volumes/data/disk.ext4");
    EXPECT_EQ(sandbox->machine.disks[2].serial, sandbox->container.volumes.at(0).serial);
}

TEST(Settings, SecurityOptions) {
    const auto sandbox_of = [](std::vector<std::string> options) {
        return make_sandbox(container({.security_opt = std::move(options)}), kParts, {"/r", "/s"});
    };
    EXPECT_EQ(sandbox_of({"seccomp=unconfined"})->container.seccomp, runtime::kNoSeccomp);
    EXPECT_EQ(process_of(*sandbox_of({"no-new-privileges"})).at("noNewPrivileges"), true);
    EXPECT_EQ(process_of(*sandbox_of({"no-new-privileges:false"})).at("noNewPrivileges"), false);
    CreateRequest request;
    request.config.cmd = {{"true"}};
    const std::string profile = R"({"defaultAction":"SCMP_ACT_ALLOW"})";
    EXPECT_EQ(sandbox_of({"seccomp=" + profile})->container.seccomp, profile);
    request.host_config.security_opt = {"seccomp={}"};
    EXPECT_THAT(make_container(request, {}, "id", 1).error().message(), HasSubstr("defaultAction"));
    request.host_config.security_opt = {"seccomp=/a/path"};
    EXPECT_EQ(make_container(request, {}, "id", 1).error().kind(), ErrorKind::invalid);
    request.host_config.security_opt = {"shields=up"};
    EXPECT_EQ(make_container(request, {}, "id", 1).error().kind(), ErrorKind::invalid);
}

TEST(Settings, WithoutIpcThereIsNoSharedMemory) {
    const auto spec = *make_sandbox(container({.ipc_mode = "none"}), kParts, {"/r", "/s"});
    EXPECT_THAT(spec.container.oci_spec, testing::Not(HasSubstr("/dev/shm")));
}

TEST(Settings, DevicesAndProcessorsOfTheVm) {
    const auto spec = *make_sandbox(
        container({.cpuset_cpus = "0,2-3", .devices = {{"/dev/fuse", "/dev/other", "rwm"}}}),
        kParts, {"/r", "/s"});
    const Json oci = *parse_json(spec.container.oci_spec);
    EXPECT_EQ(oci["linux"]["resources"]["cpu"]["cpus"], "0,2-3");
    EXPECT_EQ(oci["mounts"].back()["destination"], "/dev/other");
    EXPECT_EQ(oci["mounts"].back()["source"], "/dev/fuse");
    EXPECT_EQ(machine_cpus({.cpuset_cpus = "0,2-3"}, vmm::Accelerator::tcg, 8), 4U);
    const auto refusal = [](HostConfig config) {
        const auto checked = check_host_config(config, 4);
        return checked ? "none" : checked.error().message();
    };
    EXPECT_EQ(refusal({.cpuset_cpus = "0-3"}), "none");
    EXPECT_THAT(refusal({.cpuset_cpus = "1-4"}), HasSubstr("requested 1-4, available: 0-3"));
    for (const char* wrong : {"x", "1-", "2-1", "0,,1", "-1", "0,"})
        EXPECT_THAT(refusal({.cpuset_cpus = wrong}), HasSubstr("cpuset cpus")) << wrong;
    EXPECT_THAT(refusal({.cpuset_mems = "1"}), HasSubstr("memory nodes"));
    EXPECT_EQ(
        refusal({.devices = {{"/dev/vfio/7", "/dev/vfio/7", "rwm"}, {"hako/usb=1/4", "", ""}}}),
        "none");
    EXPECT_THAT(refusal({.devices = {{"/dev/vfio/vfio", "/dev/vfio/vfio", "rwm"}}}),
                HasSubstr("/dev/vfio/12"));
    EXPECT_THAT(refusal({.devices = {{"nvidia.com/gpu=all", "", ""}}}), HasSubstr("hako/pci="));
    EXPECT_THAT(refusal({.devices = {{"fuse", "/dev/fuse", "rwm"}}}), HasSubstr("/dev/fuse"));
    EXPECT_THAT(refusal({.devices = {{"/dev/fuse", "/dev/fuse", "x"}}}), HasSubstr("device mode"));
}

TEST(Settings, ExecsInheritTheContainers) {
    Container box = container({.cap_drop = {"ALL"}});
    box.config.user = "www";
    box.config.working_dir = "/srv";
    box.config.env = {"A=1", "B=1"};
    Json process = *make_exec_process(box, {.cmd = {"id"}, .env = {"B=2"}}, std::nullopt);
    EXPECT_EQ(process.at("user").at("username"), "www");
    EXPECT_EQ(process.at("cwd"), "/srv");
    EXPECT_TRUE(process.at("capabilities").at("bounding").empty());
    const auto env = process.at("env").get<std::vector<std::string>>();
    EXPECT_THAT(env, testing::IsSupersetOf({"A=1", "B=2"}));
    process = *make_exec_process(
        box, {.cmd = {"id"}, .user = "root", .tty = true, .privileged = true}, WindowSize{80, 24});
    EXPECT_EQ(process.at("user").at("username"), "root");
    EXPECT_EQ(process.at("capabilities").at("effective").size(), 41U);
    EXPECT_EQ(process.at("consoleSize").at("width"), 80);
}

}  // namespace
}  // namespace hako::engine
