#include <gmock/gmock.h>

#include <future>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

using LifecycleTest = EngineTest;

TEST_F(LifecycleTest, RunsToItsEnd) {
    const std::string id = run("box");
    EXPECT_EQ(state(id).status, Status::running);
    EXPECT_EQ(state(id).pid, 4711);
    EXPECT_EQ(engine_->start(id).error().kind(), ErrorKind::not_modified);

    auto next = engine_->wait(id, WaitCondition::next_exit);
    ASSERT_TRUE(next);
    world_.find(id)->finish("", 42);
    EXPECT_EQ((*next)->wait({})->exit_code, 42);
    EXPECT_EQ(wait(id).exit_code, 42);
    EXPECT_EQ(state(id).status, Status::exited);
    EXPECT_EQ(state(id).exit_code, 42);
    EXPECT_NE(state(id).finished_at, WallTime{});
    EXPECT_EQ(engine_->stop(id, {.timeout_seconds = 1}).error().kind(), ErrorKind::not_modified);
}

TEST_F(LifecycleTest, StartsAgainAfterItsEnd) {
    const std::string id = run();
    world_.find(id)->finish("", 1);
    wait(id);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(state(id).status, Status::running);
    EXPECT_EQ(state(id).exit_code, 0);
}

TEST_F(LifecycleTest, StopAsksThenKills) {
    const std::string polite = run();
    ASSERT_TRUE(engine_->stop(polite, {.timeout_seconds = 10}));
    EXPECT_EQ(state(polite).exit_code, 143);
    EXPECT_FALSE(world_.find(polite)) << "stop returns when the machine is gone";

    world_.ignores_sigterm = true;
    const std::string deaf = run();
    ASSERT_TRUE(engine_->stop(deaf, {.timeout_seconds = 0}));
    EXPECT_EQ(state(deaf).exit_code, 137);
}

TEST_F(LifecycleTest, KillEndsAStopThatWaits) {
    world_.ignores_sigterm = true;
    const std::string id = run();
    auto stopping =
        std::async(std::launch::async, [&] { return engine_->stop(id, {.timeout_seconds = -1}); });
    EXPECT_EQ(stopping.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
    ASSERT_TRUE(engine_->kill(id, "KILL"));
    EXPECT_TRUE(stopping.get());
    EXPECT_EQ(engine_->kill(id, "TERM").error().kind(), ErrorKind::conflict);
}

TEST_F(LifecycleTest, RestartRunsAnew) {
    CreateRequest wanted = request();
    wanted.host_config.auto_remove = true;
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    ASSERT_TRUE(engine_->restart(id, {.timeout_seconds = 1}));
    EXPECT_EQ(state(id).status, Status::running) << "--rm means the last exit";
    EXPECT_EQ(world_.shutdowns, 1) << "what the first run wrote is there in the second";
}

TEST_F(LifecycleTest, AFailedStartSaysWhyAndLeavesNothing) {
    world_.on_start = [](const std::string&) -> Result<void> {
        return fail(ErrorKind::exec_not_found, "nope");
    };
    const std::string id = create("box");
    auto wait = engine_->wait(id, WaitCondition::next_exit);
    const auto started = engine_->start(id);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind(), ErrorKind::exec_not_found);
    EXPECT_THAT(started.error().message(),
                HasSubstr("exec: \"sh\": executable file not found in $PATH"));
    EXPECT_EQ(state(id).status, Status::created);
    EXPECT_EQ(state(id).exit_code, 127);
    EXPECT_FALSE(world_.find(id));
    EXPECT_EQ((*wait)->wait({})->exit_code, 127);

    world_.on_start = nullptr;
    EXPECT_TRUE(engine_->start(id)) << "the next attempt is a new one";
}

TEST_F(LifecycleTest, AMachineThatDoesNotBootIsNoMissingContainer) {
    world_.on_ready = [](const runtime::SandboxSpec&) -> Result<void> {
        return fail(ErrorKind::not_found, "qemu-system-x86_64 is missing: install qemu-system-x86");
    };
    const std::string id = create("box");
    const auto started = engine_->start(id);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind(), ErrorKind::internal);
    EXPECT_THAT(started.error().message(), HasSubstr("install qemu-system-x86"));
    EXPECT_EQ(state(id).exit_code, 128);
}

TEST_F(LifecycleTest, ALostMachineIsAnExit) {
    const std::string id = run();
    world_.find(id)->lose();
    EXPECT_EQ(wait(id).exit_code, 137);
    EXPECT_THAT(state(id).error, HasSubstr("ended unexpectedly"));
}

TEST_F(LifecycleTest, AutoRemove) {
    CreateRequest wanted = request("box");
    wanted.host_config.auto_remove = true;
    const std::string id = create(wanted);
    auto removed = engine_->wait(id, WaitCondition::removed);
    ASSERT_TRUE(engine_->start(id));
    world_.find(id)->finish("", 3);
    EXPECT_EQ((*removed)->wait({})->exit_code, 3);
    EXPECT_EQ(engine_->inspect("box").error().kind(), ErrorKind::not_found);
    EXPECT_FALSE(std::filesystem::exists(layout_.container(id)));
    EXPECT_EQ(world_.shutdowns, 0) << "nobody wants its disk";
    engine_.reset();  // in the background, but not past the daemon's end
    EXPECT_EQ(world_.cleanups, 1);
    EXPECT_TRUE(world_.vms.empty());
}

TEST_F(LifecycleTest, RemoveRefusesWhatRunsUnlessForced) {
    const std::string id = run("box");
    const auto refused = engine_->remove(id, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("cannot remove container \"/box\""));
    ASSERT_TRUE(engine_->remove(id, {.force = true}));
    EXPECT_EQ(engine_->remove(id, {}).error().kind(), ErrorKind::not_found);
    EXPECT_FALSE(std::filesystem::exists(layout_.container(id)));
    create("box");
}

TEST_F(LifecycleTest, RenameKeepsTheRest) {
    const std::string id = create("box");
    create("other");
    EXPECT_EQ(engine_->rename("box", "other").error().kind(), ErrorKind::conflict);
    EXPECT_THAT(engine_->rename("box", "box").error().message(), testing::HasSubstr("same name"));
    ASSERT_TRUE(engine_->rename("box", "crate"));
    EXPECT_EQ(engine_->inspect("crate")->id, id);
    EXPECT_FALSE(engine_->inspect("box"));
}

TEST_F(LifecycleTest, AWaitEndsWhenItsClientLeaves) {
    const std::string id = run();
    auto wait = engine_->wait(id, WaitCondition::next_exit);
    std::stop_source client;
    client.request_stop();
    EXPECT_EQ((*wait)->wait(client.get_token()).error().kind(), ErrorKind::cancelled);
}

TEST_F(LifecycleTest, ADaemonThatEndsLeavesStopsHalfDone) {
    world_.ignores_sigterm = true;
    const std::string id = run();
    auto stopping =
        std::async(std::launch::async, [&] { return engine_->stop(id, {.timeout_seconds = -1}); });
    EXPECT_EQ(stopping.wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
    engine_->close();
    EXPECT_EQ(stopping.get().error().kind(), ErrorKind::cancelled);
    EXPECT_EQ(state(id).status, Status::running) << "nothing was killed";
}

TEST_F(LifecycleTest, ManyAtOnce) {
    std::vector<std::string> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(create());
    {
        std::vector<std::jthread> threads;
        for (const std::string& id : ids)
            threads.emplace_back([&, id] {
                EXPECT_TRUE(engine_->start(id));
                world_.find(id)->finish("", 0);
                wait(id);
                EXPECT_TRUE(engine_->remove(id, {}));
            });
    }
    EXPECT_TRUE(engine_->list({.all = true})->empty());
}

TEST_F(LifecycleTest, OfManyWhoRemoveOneDoes) {
    const std::string id = run("box");
    std::atomic<int> removed = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                const auto done = engine_->remove(id, {.force = true});
                if (done) ++removed;
                else
                    EXPECT_TRUE(done.error().kind() == ErrorKind::not_found ||
                                done.error().kind() == ErrorKind::conflict)
                        << done.error().message();
            });
    }
    EXPECT_EQ(removed, 1);
    EXPECT_FALSE(std::filesystem::exists(layout_.container(id)));
}

TEST_F(LifecycleTest, OneContainersVerbsTakeTurns) {
    const std::string id = create();
    std::atomic<int> started = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                if (engine_->start(id)) ++started;
            });
    }
    EXPECT_EQ(started, 1);
}

}  // namespace
}  // namespace hako::engine
