// One real VM: the kernel, the initramfs and QEMU of this build, without acceleration.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "guest/agent_client.h"
#include "init/tests/tar.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Command machine(const fs::path& kernel, const fs::path& folder) {
    return {
        {"qemu-system-x86_64",
         "-M",
         "microvm,acpi=off,auto-kernel-cmdline=off,x-option-roms=off,isa-serial=on,rtc=on,pit=on,"
         "pic=on,usb=off,graphics=off",
         "-accel",
         "tcg",
         "-cpu",
         "max",
         "-smp",
         "1",
         "-m",
         "256",
         "-nodefaults",
         "-no-user-config",
         "-nographic",
         "-no-reboot",
         "-global",
         "virtio-mmio.force-legacy=false",
         "-kernel",
         kernel.string(),
         "-initrd",
         HAKO_INITRAMFS,
         "-serial",
         "file:" + (folder / "console").string(),
         "-chardev",
         "socket,id=agent,fd=3",
         "-device",
         "virtio-serial-device,bus=virtio-mmio-bus.0",
         "-device",
         "virtserialport,chardev=agent,name=hako.agent",
         "-append",
         "console=ttyS0 quiet panic=-1 reboot=t no_timer_check acpi=off pci=off "
         "hako.agent=serial virtio_mmio.device=512@0xfeb00000:5"}};
}

class BootTest : public testing::Test {
protected:
    void SetUp() override {
        const char* given = std::getenv("HAKO_TEST_KERNEL");
        const fs::path kernel = given != nullptr ? given : HAKO_KERNEL;
        if (!fs::exists(kernel)) GTEST_SKIP() << "no guest kernel at " << kernel;
        auto folder = TempDir::create();
        auto sockets = make_socket_pair();
        ASSERT_TRUE(folder && sockets);
        folder_.emplace(std::move(*folder));
        const auto begin = std::chrono::steady_clock::now();
        auto qemu = spawn(machine(kernel, folder_->path()), {{sockets->second.get(), 3}, {2, 2}});
        if (!qemu) GTEST_SKIP() << qemu.error().message();
        qemu_.emplace(std::move(*qemu));
        sockets->second.reset();
        auto agent = guest::AgentClient::connect(std::move(sockets->first));
        ASSERT_TRUE(agent);
        agent_ = std::move(*agent);
        const auto info = agent_->info(60s);
        ASSERT_TRUE(info) << info.error().message() << console();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::printf("QEMU to Info: %.3f s, kernel %s\n", took.count(),
                    info->kernel_release.c_str());
        EXPECT_EQ(info->cpus, 1U);
        EXPECT_GT(info->memory_bytes, 100'000'000U);
    }
    void TearDown() override {
        if (!agent_) return;
        EXPECT_TRUE(agent_->power_off(std::chrono::seconds(30)));
        const auto ended = qemu_->wait(30s);
        ASSERT_TRUE(ended && *ended) << "the VM does not power off: " << console();
        EXPECT_TRUE((*ended)->success());
    }

    std::string console() const { return read_file(folder_->path() / "console").value_or(""); }

    std::optional<TempDir> folder_;
    std::optional<Process> qemu_;
    std::unique_ptr<guest::AgentClient> agent_;
};

TEST_F(BootTest, AVmIsSetUpByItsHost) {
    const auto set = agent_->set_time(now());
    EXPECT_TRUE(set) << set.error().message();
    EXPECT_TRUE(agent_->add_entropy(as_bytes(std::string(64, 'e'))));
    EXPECT_FALSE(agent_->add_entropy(as_bytes("short")));
    guest::Network network;
    network.interfaces = {{"lo", {"127.0.0.2/8", "fd00::2/64"}, 1400, true, ""}};
    network.routes = {{"10.9.0.0/16", "", "lo"}, {"default", "127.0.0.9", "lo"}};
    network.hostname = "vm";
    const auto configured = agent_->configure_network(network);
    EXPECT_TRUE(configured) << configured.error().message();
    network.interfaces = {{"eth7", {}, 0, true, ""}};
    EXPECT_EQ(agent_->configure_network(network).error().kind(), ErrorKind::not_found);
    network.interfaces = {{"eth0", {}, 0, true, "02:42:00:00:00:09"}};
    EXPECT_EQ(agent_->configure_network(network).error().kind(), ErrorKind::not_found);
    const std::vector<guest::Mount> mounts = {{"tmpfs", "", "tmpfs", "/run/hako/t", {"size=1m"}}};
    EXPECT_TRUE(agent_->mount(mounts));
    EXPECT_TRUE(agent_->unmount("/run/hako/t"));
    const std::vector<guest::Mount> missing = {{"", "no-such-disk", "ext4", "/run/x", {}}};
    EXPECT_EQ(agent_->mount(missing).error().kind(), ErrorKind::not_found);
    guest::Emulator emulator{"arm64", "no-such-disk", "\x7f\x45\x4c\x46", "\xff\xff\xff\xff"};
    EXPECT_EQ(agent_->install_emulator(emulator).error().kind(), ErrorKind::not_found);
    emulator.mask.pop_back();
    EXPECT_EQ(agent_->install_emulator(emulator).error().kind(), ErrorKind::invalid);
    emulator.name = "../arm64";
    EXPECT_EQ(agent_->install_emulator(emulator).error().kind(), ErrorKind::invalid);
}

// What tests on the host cannot show: controllers of cgroup v2.
TEST_F(BootTest, LimitsHoldInAVm) {
    const auto busybox = read_file("/bin/busybox");
    if (!busybox) GTEST_SKIP() << "the package busybox-static is missing";
    const std::string root = "/run/hako/containers/box/rootfs";
    const std::vector<guest::Mount> mounts = {{"tmpfs", "", "tmpfs", root, {}}};
    ASSERT_TRUE(agent_->mount(mounts));
    const auto mount = [](const char* target, const char* type) {
        return Json{{"destination", target}, {"type", type}, {"source", type}};
    };
    const Json spec = {
        {"root", {{"path", root}}},
        {"mounts", {mount("/proc", "proc"), mount("/dev", "tmpfs")}},
        {"linux",
         {{"namespaces", {{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "cgroup"}}}},
          {"resources", {{"memory", {{"limit", 32 << 20}}}, {"pids", {{"limit", 20}}}}}}}};
    const auto created = agent_->create_container({"box", dump_json(spec), {}});
    ASSERT_TRUE(created) << created.error().message();
    TextReader tar(make_tar(
        {{"bin/busybox", S_IFREG | 0755, *busybox}, {"bin/sh", S_IFLNK | 0777, "busybox"}}));
    const auto copied = agent_->copy_in({"box", "/"}, tar);
    ASSERT_TRUE(copied) << copied.error().message();

    const Json process = {
        {"args", {"/bin/busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=100M"}}, {"cwd", "/"}};
    const guest::ProcessId id{"box", "box"};
    const auto prepared = agent_->create_process({id, dump_json(process)});
    ASSERT_TRUE(prepared) << prepared.error().message();
    const auto statistics = guest::parse_statistics(agent_->statistics("box").value_or("?"));
    ASSERT_TRUE(statistics);
    EXPECT_EQ(statistics->memory_limit_bytes, 32U << 20);
    EXPECT_EQ(statistics->pids_limit, 20U);
    EXPECT_EQ(statistics->pids_current, 1U);
    EXPECT_GT(statistics->memory_usage_bytes, 0U);
    ASSERT_TRUE(agent_->start_process(id));
    const auto exit = agent_->wait(id);
    ASSERT_TRUE(exit) << exit.error().message();
    EXPECT_EQ(exit->code, 137);
    EXPECT_TRUE(exit->oom_killed) << console();
    EXPECT_GE(guest::parse_statistics(agent_->statistics("box").value_or("?"))->oom_kills, 1U);
    const auto deleted = agent_->delete_container("box");
    EXPECT_TRUE(deleted) << deleted.error().message();
    EXPECT_TRUE(agent_->unmount(root));
}

}  // namespace
}  // namespace hako::init
