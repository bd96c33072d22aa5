// One real VM: the kernel, the initramfs and QEMU of this build, without acceleration.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/process.h"
#include "guest/agent_client.h"

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

TEST(Boot, AVmServesItsAgentAndPowersOff) {
    const char* given = std::getenv("HAKO_TEST_KERNEL");
    const fs::path kernel = given != nullptr ? given : HAKO_KERNEL;
    if (!fs::exists(kernel)) GTEST_SKIP() << "no guest kernel at " << kernel;
    const auto folder = TempDir::create();
    auto sockets = make_socket_pair();
    ASSERT_TRUE(folder && sockets);
    const auto begin = std::chrono::steady_clock::now();
    auto qemu = spawn(machine(kernel, folder->path()), {{sockets->second.get(), 3}, {2, 2}});
    if (!qemu) GTEST_SKIP() << qemu.error().message();
    sockets->second.reset();
    const auto agent = guest::AgentClient::connect(std::move(sockets->first));
    ASSERT_TRUE(agent);
    const auto info = (*agent)->info(60s);
    const auto console = [&] { return read_file(folder->path() / "console").value_or(""); };
    ASSERT_TRUE(info) << info.error().message() << console();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    RecordProperty("seconds_to_info", std::to_string(took.count()));
    std::printf("QEMU to Info: %.3f s, kernel %s\n", took.count(), info->kernel_release.c_str());
    EXPECT_EQ(info->cpus, 1U);
    EXPECT_GT(info->memory_bytes, 100'000'000U);

    EXPECT_TRUE((*agent)->set_time(now()));
    EXPECT_TRUE((*agent)->add_entropy(as_bytes(std::string(64, 'e'))));
    EXPECT_FALSE((*agent)->add_entropy(as_bytes("short")));
    guest::Network network;
    network.interfaces = {{"lo", {"127.0.0.2/8", "fd00::2/64"}, 1400, true, ""}};
    network.routes = {{"10.9.0.0/16", "", "lo"}};
    network.hostname = "vm";
    const auto configured = (*agent)->configure_network(network);
    EXPECT_TRUE(configured) << configured.error().message();
    const std::vector<guest::Mount> mounts = {{"tmpfs", "", "tmpfs", "/run/hako/t", {"size=1m"}}};
    EXPECT_TRUE((*agent)->mount(mounts));
    EXPECT_TRUE((*agent)->unmount("/run/hako/t"));
    const std::vector<guest::Mount> missing = {{"", "no-such-disk", "ext4", "/run/x", {}}};
    EXPECT_EQ((*agent)->mount(missing).error().kind(), ErrorKind::not_found);

    EXPECT_TRUE((*agent)->power_off());
    const auto ended = qemu->wait(30s);
    ASSERT_TRUE(ended && *ended) << "the VM does not power off: " << console();
    EXPECT_TRUE((*ended)->success());
}

}  // namespace
}  // namespace hako::init
