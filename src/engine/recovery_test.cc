#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

using RecoveryTest = EngineTest;

TEST_F(RecoveryTest, AdoptsWhatRuns) {
    const std::string id = run("box");
    const WallTime started = state(id).started_at;
    stop_daemon();
    start_daemon();
    EXPECT_EQ(state("box").status, Status::running);
    EXPECT_EQ(state("box").started_at, started);
    auto next = engine_->wait("box", WaitCondition::next_exit);
    world_.find(id)->finish("", 9);
    EXPECT_EQ((*next)->wait({})->exit_code, 9);
}

TEST_F(RecoveryTest, ReadsTheExitThatNobodySaw) {
    const std::string id = run();
    stop_daemon();
    world_.find(id)->finish("", 5);
    world_.sandboxes.clear();  // the shim is gone too
    start_daemon();
    EXPECT_EQ(state(id).status, Status::exited);
    EXPECT_EQ(state(id).exit_code, 5);
    EXPECT_EQ(wait(id).exit_code, 5);
}

TEST_F(RecoveryTest, AShimThatStillKnowsTheExitTells) {
    const std::string id = run();
    stop_daemon();
    world_.find(id)->finish("", 6);
    start_daemon();
    EXPECT_EQ(wait(id).exit_code, 6);
}

TEST_F(RecoveryTest, WithoutARecordItWasKilled) {
    const std::string id = run();
    stop_daemon();
    world_.sandboxes.clear();
    start_daemon();
    EXPECT_EQ(state(id).exit_code, 137);
    EXPECT_THAT(state(id).error, HasSubstr("no daemon was there"));
    EXPECT_TRUE(engine_->start(id));
}

TEST_F(RecoveryTest, AHalfDoneStartIsUndone) {
    const std::string id = run();
    world_.find(id)->processes[""].started = false;
    stop_daemon();
    {
        auto database = store::Database::open(layout_.database()).value();
        ASSERT_TRUE(database->execute(R"(UPDATE containers SET state = '{"status":"created"}')"));
    }
    start_daemon();
    EXPECT_EQ(state(id).status, Status::created);
    EXPECT_FALSE(world_.find(id));
    EXPECT_FALSE(std::filesystem::exists(layout_.sandbox(id)));
}

TEST_F(RecoveryTest, AutoRemovesWhatEndedMeanwhile) {
    CreateRequest wanted = request("box");
    wanted.host_config.auto_remove = true;
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    stop_daemon();
    world_.sandboxes.clear();
    start_daemon();
    EXPECT_FALSE(engine_->inspect("box"));
    EXPECT_FALSE(std::filesystem::exists(layout_.container(id)));
}

TEST_F(RecoveryTest, RemovesFoldersOfContainersThatWereNeverRecorded) {
    const auto folder = layout_.container(std::string(64, 'f'));
    ASSERT_TRUE(make_folders(folder));
    ASSERT_TRUE(write_file(folder / "scratch.ext4", "half"));
    stop_daemon();
    start_daemon();
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(RecoveryTest, UnreadableRecordsAreKeptAside) {
    const std::string good = create("good");
    const std::string bad = create("bad");
    stop_daemon();
    {
        auto database = store::Database::open(layout_.database()).value();
        auto statement =
            database->prepare("UPDATE containers SET settings = 'garbage' WHERE id = ?1").value();
        ASSERT_TRUE(statement.bind(1, bad).run());
    }
    start_daemon();
    EXPECT_TRUE(engine_->inspect("good"));
    EXPECT_FALSE(engine_->inspect("bad"));
    EXPECT_TRUE(std::filesystem::exists(layout_.container(bad))) << "its files are not deleted";
    create("bad");
}

TEST_F(RecoveryTest, SettingsSurvive) {
    CreateRequest wanted = request("box");
    wanted.config_json = R"({"Image":"busybox","X":1})";
    wanted.config.labels = {{"k", "v"}};
    wanted.config.stop_timeout = 3;
    wanted.config.entrypoint = std::vector<std::string>{"/bin/sh", "-c"};
    wanted.config.cmd = std::vector<std::string>{"true"};
    wanted.host_config.ulimits = {{"nofile", 10, 20}};
    wanted.host_config.console_size = WindowSize{80, 24};
    wanted.host_config.memory = 64 * kMiB;
    create(wanted);
    const Container before = *engine_->inspect("box");
    stop_daemon();
    start_daemon();
    const Container after = *engine_->inspect("box");
    EXPECT_EQ(after.config_json, before.config_json);
    EXPECT_EQ(after.config.labels, before.config.labels);
    EXPECT_EQ(after.config.stop_timeout, 3);
    EXPECT_EQ(after.config.entrypoint, before.config.entrypoint);
    EXPECT_EQ(after.command, before.command);
    EXPECT_EQ(after.created, before.created);
    EXPECT_EQ(after.image_id, before.image_id);
    ASSERT_EQ(after.host_config.ulimits.size(), 1U);
    EXPECT_EQ(after.host_config.ulimits[0].hard, 20);
    ASSERT_TRUE(after.host_config.console_size);
    EXPECT_EQ(after.host_config.console_size->rows, 24U);
    EXPECT_EQ(after.host_config.memory, 64 * kMiB);
}

TEST_F(RecoveryTest, ExecsOfTheLastDaemonAreStillKnown) {
    const std::string id = run();
    const auto exec = engine_->create_exec(id, {.cmd = {"sleep", "9"}});
    ASSERT_TRUE(exec);
    ASSERT_TRUE(engine_->start_exec(*exec, {.detach = true}));
    stop_daemon();
    start_daemon();
    ASSERT_TRUE(engine_->inspect_exec(*exec));
    EXPECT_TRUE(engine_->inspect_exec(*exec)->running);
}

}  // namespace
}  // namespace hako::engine
