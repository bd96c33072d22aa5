// The small files of a sandbox: its spec, the shim's record, the exit record; and what clean-up
// makes of them.
#include <gtest/gtest.h>

#include <csignal>

#include "base/fd.h"
#include "runtime/exit_record.h"
#include "runtime/log_file.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_record.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

class RecordsTest : public testing::Test {
protected:
    SandboxSpec sample() {
        return {.id = id_,
                .machine = {.id = id_, .kernel = "/k", .initramfs = "/i"},
                .container = {.id = id_,
                              .rootfs = {std::string(kRootfsSerial), {"/view"}, true},
                              .scratch = {std::string(kScratchSerial), {"/scratch"}, false},
                              .oci_spec = R"({"process":{}})",
                              .files = {{"/etc/hostname", "box\n"}},
                              .sockets = {{"/run/host.sock", "/run/guest.sock"}},
                              .published_sockets = {{"/srv/app.sock", "/app.sock"}},
                              .tty = true,
                              .seccomp = std::string(kNoSeccomp),
                              .log = {.file = folder_.path() / "log"},
                              .exit_record = folder_.path() / "exit.json"},
                .folder = layout_.sandbox(id_),
                .boot_deadline = std::chrono::milliseconds(1234)};
    }

    TempDir folder_ = *TempDir::create();
    Layout layout_{folder_.path() / "root", folder_.path() / "run"};
    std::string id_ = random_id();
};

TEST_F(RecordsTest, SpecGoesThroughJsonUnchanged) {
    const auto json = to_json(sample());
    const auto spec = sandbox_spec_from_json(json);
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(to_json(*spec), json);
    auto without = json;
    without["container"].erase("log");
    EXPECT_EQ(sandbox_spec_from_json(without).error().kind(), ErrorKind::invalid);
}

TEST_F(RecordsTest, AVmThatWaitsNeedsNoContainer) {
    auto sample = this->sample();
    sample.waits = true;
    EXPECT_EQ(to_json(*sandbox_spec_from_json(to_json(sample))), to_json(sample));
    sample.container = {};
    const auto spec = sandbox_spec_from_json(to_json(sample));
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_TRUE(spec->waits);
    auto json = to_json(sample);
    json["waits"] = false;
    EXPECT_FALSE(sandbox_spec_from_json(json));
}

TEST_F(RecordsTest, ExitRecordIsThereOrNot) {
    const auto path = folder_.path() / "exit.json";
    EXPECT_FALSE(*read_exit_record(path));
    const ExitRecord record{.code = 137, .oom_killed = true, .exited_at = now(), .reason = "why"};
    ASSERT_TRUE(write_exit_record(path, record));
    const auto read = read_exit_record(path);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->code, 137);
    EXPECT_TRUE((*read)->oom_killed);
    EXPECT_EQ((*read)->exited_at, record.exited_at);
    EXPECT_EQ((*read)->reason, "why");
    ASSERT_TRUE(write_file(path, "{\"exit_code\":"));
    EXPECT_FALSE(read_exit_record(path));
}

TEST_F(RecordsTest, CleanupOfNothingIsNoError) {
    EXPECT_TRUE(cleanup_sandbox(layout_, id_));
    EXPECT_TRUE(cleanup_sandbox(layout_, id_, folder_.path() / "log"));
}

TEST_F(RecordsTest, CleanupKillsWhoIsRecordedAndEndsTheLog) {
    const auto folder = layout_.sandbox(id_);
    ASSERT_TRUE(make_folders(folder));
    auto shim = spawn({.argv = {"sleep", "1000"}});
    auto qemu = spawn({.argv = {"sleep", "1000"}});
    ASSERT_TRUE(shim && qemu);
    ASSERT_TRUE(write_shim_record(folder / "shim.json", {.shim = *identify_process(shim->pid()),
                                                         .qemu = *identify_process(qemu->pid())}));
    const auto log = folder_.path() / "log";
    ASSERT_TRUE(LogWriter::open(log)->append(LogStream::out, as_bytes("text")));

    for (int again = 0; again < 2; ++again) {
        ASSERT_TRUE(cleanup_sandbox(layout_, id_, log));
        EXPECT_FALSE(fs::exists(folder));
        EXPECT_FALSE(LogWriter::open(log)->is_open());
    }
    EXPECT_EQ((**shim->wait()).signal, SIGKILL);
    EXPECT_EQ((**qemu->wait()).signal, SIGKILL);
    auto reader = *LogReader::open(log);
    EXPECT_EQ((**reader.next()).data, "text");
    EXPECT_TRUE((**reader.next()).end);
    EXPECT_FALSE(*reader.next());
}

TEST_F(RecordsTest, CleanupRemovesThePublishedSocketsOfADeadShim) {
    const auto links = layout_.sandbox(id_) / "published";
    ASSERT_TRUE(make_folders(links));
    const auto dead = folder_.path() / "dead", alive = folder_.path() / "alive";
    const auto file = folder_.path() / "file";
    ASSERT_TRUE(listen_unix(dead, 0600));  // and closed
    const auto listener = listen_unix(alive, 0600);
    ASSERT_TRUE(listener && write_file(file, "text"));
    for (const auto& path : {dead, alive, file}) fs::create_symlink(path, links / path.filename());
    ASSERT_TRUE(cleanup_sandbox(layout_, id_));
    EXPECT_FALSE(fs::exists(dead));
    EXPECT_TRUE(fs::exists(alive));
    EXPECT_TRUE(fs::exists(file));
}

TEST_F(RecordsTest, CleanupSparesAProcessThatOnlyHasThePid) {
    const auto folder = layout_.sandbox(id_);
    ASSERT_TRUE(make_folders(folder));
    auto other = spawn({.argv = {"sleep", "1000"}});
    ASSERT_TRUE(other);
    auto identity = *identify_process(other->pid());
    ++identity.start_time;
    ASSERT_TRUE(write_shim_record(folder / "shim.json", {.shim = identity, .qemu = {}}));
    ASSERT_TRUE(cleanup_sandbox(layout_, id_));
    EXPECT_FALSE(*other->wait(std::chrono::milliseconds(20)));
}

TEST_F(RecordsTest, SpawnTellsWhyAShimDoesNotStart) {
    const Installation nothing{folder_.path() / "bin", folder_.path() / "share"};
    const auto shim = spawn_shim(nothing, sample());
    ASSERT_FALSE(shim);
    EXPECT_EQ(shim.error().kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace hako::runtime
