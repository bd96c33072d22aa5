// Whole shims, as processes, with a fake QEMU: what hakod learns when a VM does not come up, and
// what is left afterwards. Real VMs run in tests/.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/fd.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_client.h"
#include "runtime/shim_record.h"
#include "vmm/fake_qemu.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class ShimTest : public testing::Test {
protected:
    ShimTest() {
        EXPECT_TRUE(make_folders(installation_.bin));
        fs::create_symlink(fs::read_symlink("/proc/self/exe"), installation_.shim());
    }
    ~ShimTest() override { EXPECT_TRUE(cleanup_sandbox(layout_, id_)); }

    Result<std::unique_ptr<ShimClient>> start() {
        HAKO_TRY(shim_, spawn_shim(installation_, spec_));
        return ShimClient::connect(spec_.socket(), id_);
    }
    std::string start_error() {
        const auto client = start();
        if (!client) return "no shim: " + client.error().message();
        const auto ready = (*client)->ready({});
        return ready ? "ready" : ready.error().message();
    }
    static Result<ProcessIdentity> qemu_of(ShimClient& client) {
        for (int i = 0; i < 500 && client.state()->qemu_pid == 0; ++i)
            std::this_thread::sleep_for(milliseconds(10));
        return identify_process(client.state()->qemu_pid);
    }
    bool ends(const ProcessIdentity& process) {
        for (int i = 0; i < 1000 && is_alive(process); ++i)
            std::this_thread::sleep_for(milliseconds(10));
        return !is_alive(process);
    }

    vmm::FakeQemuFolder folder_;
    Layout layout_{folder_.path() / "root", folder_.path() / "run"};
    Installation installation_{folder_.path() / "bin", folder_.path()};
    std::string id_ = random_id();
    SandboxSpec spec_{
        .id = id_,
        .machine = {.id = id_, .kernel = folder_.kernel(), .initramfs = folder_.initramfs()},
        .container = {.id = id_,
                      .rootfs = {std::string(kRootfsSerial), {"/view"}, true},
                      .scratch = {std::string(kScratchSerial), {"/scratch"}, false},
                      .oci_spec = R"({"process":{}})",
                      .log = {.file = folder_.path() / "log"},
                      .exit_record = folder_.path() / "exit.json"},
        .folder = layout_.sandbox(id_),
        .boot_deadline = milliseconds(1000)};
    ProcessIdentity shim_;
};

TEST_F(ShimTest, TellsThatThereIsNoQemu) {
    ::setenv("HAKO_QEMU", "/nonexistent/qemu", 1);
    EXPECT_NE(start_error().find("HAKO_QEMU names /nonexistent/qemu"), std::string::npos);
    EXPECT_TRUE(ends(shim_));
    EXPECT_FALSE(fs::exists(spec_.socket()));
}

TEST_F(ShimTest, TellsQemusLastWords) {
    folder_.use("#!/bin/sh\necho 'qemu: no memory' >&2\nexit 1\n");
    EXPECT_NE(start_error().find("qemu: no memory"), std::string::npos);
    EXPECT_TRUE(ends(shim_));
}

TEST_F(ShimTest, TellsThePanicOfAGuestThatNeverAnswers) {
    folder_.use(
        vmm::fake_qemu("printf 'Kernel panic - not syncing: no init\\r\\n' >&4\nexec sleep 0.2\n"));
    const auto text = start_error();
    EXPECT_NE(text.find("the guest kernel panicked: no init"), std::string::npos) << text;
    EXPECT_TRUE(ends(shim_));
}

TEST_F(ShimTest, GivesUpOnAGuestThatHangs) {
    folder_.use(vmm::fake_qemu("exec sleep 1000\n"));
    const auto text = start_error();
    EXPECT_NE(text.find("the VM does not start"), std::string::npos) << text;
    EXPECT_TRUE(ends(shim_));
}

TEST_F(ShimTest, CanBeStoppedWhileTheGuestBoots) {
    folder_.use(vmm::fake_qemu("exec sleep 1000\n"));
    spec_.boot_deadline = milliseconds(60'000);
    const auto client = start();
    ASSERT_TRUE(client) << client.error().message();
    const auto qemu = qemu_of(**client);
    ASSERT_TRUE(qemu);
    EXPECT_TRUE((*client)->shutdown(milliseconds(0)));
    EXPECT_FALSE(is_alive(*qemu));
    EXPECT_TRUE(ends(shim_));
}

TEST_F(ShimTest, EndsOnSigterm) {
    folder_.use(vmm::fake_qemu("exec sleep 1000\n"));
    spec_.boot_deadline = milliseconds(60'000);
    ASSERT_TRUE(start());
    ASSERT_EQ(::kill(shim_.pid, SIGTERM), 0);
    EXPECT_TRUE(ends(shim_));
    EXPECT_FALSE(fs::exists(spec_.socket()));
}

TEST_F(ShimTest, QemuDiesWithItsShim) {
    folder_.use(vmm::fake_qemu("exec sleep 1000\n"));
    spec_.boot_deadline = milliseconds(60'000);
    const auto client = start();
    ASSERT_TRUE(client) << client.error().message();
    const auto qemu = qemu_of(**client);
    ASSERT_TRUE(qemu);
    ASSERT_TRUE(kill_process(shim_, milliseconds(5000)));
    EXPECT_TRUE(ends(*qemu));
    ASSERT_TRUE(cleanup_sandbox(layout_, id_));
    EXPECT_FALSE(fs::exists(spec_.folder));
}

TEST_F(ShimTest, TellsWhatIsWrongWithItsSpec) {
    spec_.machine.memory_bytes = 1;
    const auto shim = spawn_shim(installation_, spec_);
    ASSERT_FALSE(shim);
    EXPECT_NE(shim.error().message().find("at least 64 MiB"), std::string::npos)
        << shim.error().message();
}

}  // namespace
}  // namespace hako::runtime
