// Whole shims with a hostile guest (hostile_vm.h): whatever it does, the shim answers, stays small,
// and ends when it shall.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "base/fd.h"
#include "base/sanitizer.h"
#include "runtime/hostile_vm.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_client.h"
#include "vmm/fake_qemu.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// The test program's own size included, which is thrice a shim's.
constexpr std::uint64_t kMostMemory = 96 * kMiB;
constexpr std::uint64_t kEnough = 64 * kMiB;  // of an endless stream

std::uint64_t peak_memory(pid_t pid) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * kKiB;
    return 0;
}

// Takes so much, then no more.
class Taker : public Writer {
public:
    Result<void> write(std::span<const std::byte> data) override {
        taken += data.size();
        return taken > kEnough ? fail(ErrorKind::too_large, "enough") : Result<void>();
    }
    std::uint64_t taken = 0;
};

class HostileTest : public testing::TestWithParam<const char*> {
protected:
    HostileTest() {
        EXPECT_TRUE(make_folders(installation_.bin));
        const auto self = fs::read_symlink("/proc/self/exe");
        fs::create_symlink(self, installation_.shim());
        // QEMU's user may not be able to come by the path of the build.
        const auto qemu = folder_.path() / (std::string(kHostilePrefix) + GetParam());
        fs::copy_file(self, qemu);
        ::setenv("HAKO_QEMU", qemu.c_str(), 1);
    }
    ~HostileTest() override {
        EXPECT_TRUE(cleanup_sandbox(layout_, id_));
        EXPECT_FALSE(fs::exists(spec_.folder));
    }

    std::unique_ptr<ShimClient> start() {
        auto shim = spawn_shim(installation_, spec_);
        EXPECT_TRUE(shim) << shim.error().message();
        if (shim) shim_ = *shim;
        auto client = ShimClient::connect(spec_.socket(), id_);
        EXPECT_TRUE(client);
        return client ? *std::move(client) : nullptr;
    }
    void expect_small() const { expect_small(peak_memory(shim_.pid)); }
    static void expect_small(std::uint64_t peak) {
        EXPECT_GT(peak, 0U);
        EXPECT_LT(peak, kSanitized ? UINT64_MAX : kMostMemory);
    }
    // Of a shim that ends at any time: its memory while this function runs.
    std::uint64_t peak_during(const std::function<void()>& work) const {
        std::atomic<std::uint64_t> peak = 0;
        std::jthread watch([&](const std::stop_token& stop) {
            do {
                peak = std::max<std::uint64_t>(peak, peak_memory(shim_.pid));
                std::this_thread::sleep_for(milliseconds(5));
            } while (!stop.stop_requested());
        });
        work();
        watch.request_stop();
        watch.join();
        return peak;
    }
    void expect_end() const {
        for (int i = 0; i < 3000 && is_alive(shim_); ++i)
            std::this_thread::sleep_for(milliseconds(10));
        EXPECT_FALSE(is_alive(shim_));
    }

    vmm::FakeQemuFolder folder_;
    Layout layout_{folder_.path() / "root", folder_.path() / "run"};
    Installation installation_{folder_.path() / "bin", folder_.path()};
    std::string id_ = random_id();
    const fs::path disk_ = folder_.kernel();  // nobody looks into it
    SandboxSpec spec_{.id = id_,
                      .machine = {.id = id_,
                                  .kernel = folder_.kernel(),
                                  .initramfs = folder_.initramfs(),
                                  .disks = {{std::string(kRootfsSerial), {disk_}, true},
                                            {std::string(kScratchSerial), {disk_}, true}}},
                      .container = {.id = id_,
                                    .rootfs = {std::string(kRootfsSerial), {disk_}, true},
                                    .scratch = {std::string(kScratchSerial), {disk_}, true},
                                    .oci_spec = R"({"process":{}})",
                                    .open_stdin = true,
                                    .seccomp = std::string(kNoSeccomp),
                                    .log = {.file = folder_.path() / "log",
                                            .limits = {.max_bytes = kEnough, .max_files = 2}},
                                    .exit_record = folder_.path() / "exit.json"},
                      .folder = layout_.sandbox(id_),
                      .boot_deadline = milliseconds(3000)};
    ProcessIdentity shim_;
};

class HostileChannelTest : public HostileTest {};

TEST_P(HostileChannelTest, IsAVmThatDoesNotStart) {
    const auto client = start();
    ASSERT_TRUE(client);
    Result<vmm::Accelerator> ready = vmm::Accelerator::tcg;
    expect_small(peak_during([&] { ready = client->ready({}); }));
    ASSERT_FALSE(ready);
    EXPECT_NE(ready.error().message().find("the VM does not start"), std::string::npos)
        << ready.error().message();
    expect_end();
}

INSTANTIATE_TEST_SUITE_P(All, HostileChannelTest,
                         testing::Values("garbage", "pings", "lengths", "silent"),
                         [](const auto& test) { return std::string(test.param); });

// gRPC keeps all of a header block until its end. The shim's own limit of memory ends it, and its
// VM.
class HostileHeadersTest : public HostileTest {};
TEST_P(HostileHeadersTest, EndsTheShimBeforeItIsLarge) {
    if (kSanitized) GTEST_SKIP() << "a build with a sanitizer has no such limit";
    spec_.boot_deadline = std::chrono::seconds(60);
    const auto client = start();
    ASSERT_TRUE(client);
    const auto peak = peak_during([&] { expect_end(); });
    EXPECT_GT(peak, 0U);
    EXPECT_LT(peak, 3 * kMostMemory);
    EXPECT_FALSE(client->ready({}));
}
INSTANTIATE_TEST_SUITE_P(All, HostileHeadersTest, testing::Values("headers"));

class HostileAgentTest : public HostileTest {
protected:
    void SetUp() override {
        client_ = start();
        ASSERT_TRUE(client_);
        const auto ready = client_->ready({});
        ASSERT_TRUE(ready) << ready.error().message();
        ASSERT_TRUE(client_->start(""));
    }
    // Answers, and ends at once.
    void expect_alive() {
        EXPECT_TRUE(client_->state());
        expect_small();
        const auto ended = client_->shutdown(milliseconds(0));
        EXPECT_TRUE(ended) << ended.error().message();
        expect_end();
        const auto record = read_exit_record(spec_.container.exit_record);
        ASSERT_TRUE(record && *record);
        EXPECT_EQ((*record)->code, 137);
        EXPECT_FALSE((*record)->reason.empty());
    }

    std::unique_ptr<ShimClient> client_;
};

class HostileEndlessTest : public HostileAgentTest {};
TEST_P(HostileEndlessTest, StreamsEndWhenTheirReaderHasEnough) {
    Taker files;
    EXPECT_EQ(client_->copy_out("/", files, {}).error().message(), "enough");
    Taker list;
    EXPECT_EQ(client_->changes(true, false, list, {}).error().message(), "enough");
    EXPECT_TRUE(client_->stat_path("/"));
    for (int i = 0; i < 1000 && !fs::exists(spec_.container.log.file.native() + ".1"); ++i)
        std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(fs::exists(spec_.container.log.file.native() + ".1")) << "the output arrives";
    // While it is being rotated there is none for a moment.
    std::error_code rotating;
    std::uintmax_t size = fs::file_size(spec_.container.log.file, rotating);
    for (int i = 0; i < 1000 && rotating; ++i) {
        std::this_thread::sleep_for(milliseconds(i % 10));
        size = fs::file_size(spec_.container.log.file, rotating);
    }
    EXPECT_LE(size, kEnough);
    expect_alive();
}
INSTANTIATE_TEST_SUITE_P(All, HostileEndlessTest, testing::Values("endless"));

class HostileHugeTest : public HostileAgentTest {};
TEST_P(HostileHugeTest, AnswersOfAMillionPartsAreRefused) {
    // On a busy machine the time for an answer may be over before all of it has come.
    const auto refusal = [](const auto& ask) {
        ErrorKind kind = ErrorKind::deadline;
        for (int i = 0; i < 5 && kind == ErrorKind::deadline; ++i) kind = ask().error().kind();
        return kind;
    };
    EXPECT_EQ(refusal([&] { return client_->statistics(); }), ErrorKind::exhausted);
    EXPECT_EQ(refusal([&] { return client_->list_processes(); }), ErrorKind::exhausted);
    expect_alive();
}
INSTANTIATE_TEST_SUITE_P(All, HostileHugeTest, testing::Values("huge"));

class HostileDeafTest : public HostileAgentTest {};
TEST_P(HostileDeafTest, CallsThatGetNoAnswerDoNotKeepTheShimFromEnding) {
    auto input = client_->open_input("");
    ASSERT_TRUE(input);
    std::stop_source leaves;
    std::vector<std::jthread> callers;  // they end before what they use
    for (int i = 0; i < 8; ++i) {
        callers.emplace_back([&] { EXPECT_FALSE(client_->list_processes()); });
        callers.emplace_back([&] { EXPECT_FALSE(client_->signal("", SIGKILL, false)); });
        callers.emplace_back([&, i] {
            EXPECT_FALSE(client_->exec({.id = fmt::format("e{}", i), .process = "{}"}));
        });
        callers.emplace_back([&] {
            Taker files;
            EXPECT_FALSE(client_->copy_out("/", files, {}));
        });
    }
    callers.emplace_back([&] {
        const std::string piece(64 * kKiB, 'i');
        while ((*input)->write(as_bytes(piece), leaves.get_token())) {
        }
    });
    std::this_thread::sleep_for(milliseconds(300));
    expect_alive();
    leaves.request_stop();
}
INSTANTIATE_TEST_SUITE_P(All, HostileDeafTest, testing::Values("deaf"));

class HostileExitTest : public HostileAgentTest {};
TEST_P(HostileExitTest, AnExitThatCannotBeIsOneOfAKilledProcess) {
    const auto before = now();
    const auto record = client_->wait("", {});
    ASSERT_TRUE(record) << record.error().message();
    EXPECT_EQ(record->code, 137);
    EXPECT_LE(record->exited_at, now());
    EXPECT_GE(record->exited_at, before - std::chrono::seconds(60));
    expect_small();
    // Nor is it waited for to power itself off.
    EXPECT_TRUE(client_->shutdown(milliseconds(0)));
    expect_end();
}
INSTANTIATE_TEST_SUITE_P(All, HostileExitTest, testing::Values("exit"));

}  // namespace
}  // namespace hako::runtime
