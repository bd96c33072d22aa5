// Machines with a fake QEMU: a shell script that HAKO_QEMU names.
#include "vmm/machine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "vmm/fake_qemu.h"
#include "vmm/jail.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class MachineTest : public testing::Test {
protected:
    Result<std::unique_ptr<Machine>> start(std::string_view script) {
        folder_.use(script);
        return Machine::start(spec_, options_);
    }
    static std::vector<std::string> own_jail() {
        return {fs::read_symlink("/proc/self/exe").native(), "jail"};
    }

    FakeQemuFolder folder_;
    MachineSpec spec_{.id = "test-" + random_id().substr(0, 12),
                      .kernel = folder_.kernel(),
                      .initramfs = folder_.initramfs(),
                      .tsc_khz = 1};
    MachineOptions options_{.jail = own_jail(), .start_deadline = milliseconds(5000)};
};

std::string wait_for_end(Machine& machine) {
    const auto end = machine.wait(milliseconds(5000));
    if (!end) return end.error().message();
    return *end ? (*end)->reason : "still running";
}

TEST_F(MachineTest, NamesThePackageWhenThereIsNoQemu) {
    ::setenv("HAKO_QEMU", "/nonexistent/qemu", 1);
    EXPECT_EQ(Machine::start(spec_, options_).error().kind(), ErrorKind::not_found);
    ::unsetenv("HAKO_QEMU");
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", folder_.path().c_str(), 1);
    const auto machine = Machine::start(spec_, options_);
    ::setenv("PATH", path.c_str(), 1);
    ASSERT_FALSE(machine);
    EXPECT_NE(machine.error().message().find("install the package qemu-system-x86"),
              std::string::npos);
}

TEST_F(MachineTest, CarriesQemusLastWordsWhenItDies) {
    const auto machine = start("#!/bin/sh\necho 'qemu: cannot do that' >&2\nexit 1\n");
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().kind(), ErrorKind::unavailable);
    EXPECT_NE(machine.error().message().find("qemu: cannot do that"), std::string::npos)
        << machine.error().message();
}

TEST_F(MachineTest, KillsAQemuThatHangs) {
    options_.start_deadline = milliseconds(300);
    const auto machine = start("#!/bin/sh\nexec sleep 1000\n");
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().kind(), ErrorKind::deadline);
}

TEST_F(MachineTest, TellsThePanic) {
    const auto machine =
        start(fake_qemu("printf '[1] Kernel panic - not syncing: no init\\r\\n' >&4\n"));
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ(wait_for_end(**machine), "the guest kernel panicked: no init");
    EXPECT_NE((*machine)->explain(ErrorKind::internal, "no agent").message().find("no init"),
              std::string::npos);
}

TEST_F(MachineTest, TellsTheSignal) {
    const auto machine = start(fake_qemu("kill -SEGV $$\n"));
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ(wait_for_end(**machine), "QEMU ended (killed by signal 11 (SEGV))");
}

TEST_F(MachineTest, StopsAQemuThatDoesNotListen) {
    const auto machine = start(fake_qemu("trap '' TERM\nsleep 1000 & wait\n"));
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_FALSE(*(*machine)->wait(milliseconds(0)));
    EXPECT_TRUE((*machine)->stop(milliseconds(50)));
    EXPECT_TRUE(*(*machine)->wait(milliseconds(0)));
}

TEST_F(MachineTest, ChannelIsTheAgentsAndGivenOnce) {
    const auto machine = start(fake_qemu("echo hello >&5\n"));
    ASSERT_TRUE(machine);
    const auto channel = (*machine)->take_agent_channel(milliseconds(0));
    ASSERT_TRUE(channel);
    std::array<std::byte, 6> text{};
    ASSERT_EQ(*read_full(channel->get(), text), text.size());
    EXPECT_EQ(as_text(text), "hello\n");
    EXPECT_EQ((*machine)->take_agent_channel(milliseconds(0)).error().kind(), ErrorKind::conflict);
}

TEST_F(MachineTest, GivesDisksAsDescriptors) {
    const auto disk = folder_.path() / "disk";
    ASSERT_TRUE(write_file(disk, "disk content", 0600));
    spec_.disks = {{.serial = "d", .extents = {disk}, .read_only = true}};
    const auto machine = start(fake_qemu("cat <&8 >&4\n"));
    ASSERT_TRUE(machine) << machine.error().message();
    wait_for_end(**machine);
    EXPECT_EQ((*machine)->console_tail(), "disk content");
}

TEST_F(MachineTest, JailShowsNothingOfTheHost) {
    if (::geteuid() != 0) GTEST_SKIP() << "the jail needs root";
    ASSERT_TRUE(write_file(folder_.path() / "secret", "x", 0644));
    const auto machine = start(fake_qemu(R"sh({
echo "root: $(ls / | sort | tr '\n' ' ')"
echo "dev: $(ls /dev | sort | tr '\n' ' ')"
echo "etc: $(ls /etc | sort | tr '\n' ' ')"
echo "folder: $(ls )sh" + folder_.path().native() +
                                         R"sh( | sort | tr '\n' ' ')"
echo "ids: $(id -u) $(id -g) $(id -G)"
touch /x /usr/x /dev/x 2>&1 | wc -l
ip link 2>/dev/null | grep -c ': eth'
env | grep -c HAKO
} >&4
sleep 1000
)sh"));
    ASSERT_TRUE(machine) << machine.error().message();
    std::string text;
    for (int i = 0; i < 500 && text.find("\n0\n0\n") == std::string::npos; ++i) {
        ::usleep(10'000);
        text = (*machine)->console_tail();
    }
    const auto uid = std::to_string(jail_uid(spec_.id));
    EXPECT_NE(text.find("dev: null urandom \n"), std::string::npos) << text;
    EXPECT_NE(text.find("folder: fake-qemu initramfs vmlinux \n"), std::string::npos) << text;
    EXPECT_NE(text.find("ids: " + uid + " " + uid + " " + uid + "\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\n3\n0\n0\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("proc"), std::string::npos) << text;
    EXPECT_EQ(text.find("home"), std::string::npos) << text;

    const auto status = read_file(fmt::format("/proc/{}/status", (*machine)->pid()));
    ASSERT_TRUE(status);
    for (const auto* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                             "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"})
        EXPECT_NE(status->find(line), std::string::npos) << line;
}

TEST_F(MachineTest, LeavesNoCgroupAndNoProcess) {
    pid_t pid = -1;
    {
        const auto machine = start(fake_qemu("sleep 1000 & wait\n"));
        ASSERT_TRUE(machine) << machine.error().message();
        pid = (*machine)->pid();
        if (::geteuid() == 0) {
            const auto cgroups = read_file(fmt::format("/proc/{}/cgroup", pid));
            ASSERT_TRUE(cgroups);
            EXPECT_NE(cgroups->find("/hako/" + spec_.id), std::string::npos) << *cgroups;
        }
    }
    EXPECT_NE(::kill(pid, 0), 0);
    for (const auto* folder : {"memory/", "pids/", ""})
        EXPECT_FALSE(fs::exists(fs::path("/sys/fs/cgroup") / folder / "hako" / spec_.id));
}

TEST(JailTest, UidsAreInARangeOfNobody) {
    EXPECT_GE(jail_uid("a"), 0x70000000U);
    EXPECT_LT(jail_uid("a"), 0x71000000U);
    EXPECT_NE(jail_uid("a"), jail_uid("b"));
}

}  // namespace
}  // namespace hako::vmm
