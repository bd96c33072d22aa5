#include "engine/restart.h"

#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(BackOff, DoublesUpToAMinuteAndBeginsAnewAfterAGoodRun) {
    EXPECT_EQ(next_back_off(0ms, 1s), 100ms);
    EXPECT_EQ(next_back_off(100ms, 1s), 200ms);
    EXPECT_EQ(next_back_off(40s, 9s), 60s);
    EXPECT_EQ(next_back_off(60s, 0s), 60s);
    EXPECT_EQ(next_back_off(60s, 10s), 100ms);
}

TEST(RestartPolicy, WhatStartsAgain) {
    const auto restarts = [](const std::string& policy, ContainerState ended, int retries = 0) {
        HostConfig config;
        config.restart_policy = policy;
        config.restart_retries = retries;
        ended.started_at = now();
        return std::pair(restarts_after_exit(config, ended), restarts_with_daemon(config, ended));
    };
    using Pair = std::pair<bool, bool>;
    const ContainerState good;
    const ContainerState bad{.exit_code = 1};
    const ContainerState stopped{.exit_code = 143, .stopped_by_user = true};
    EXPECT_EQ(restarts("", bad), Pair(false, false));
    EXPECT_EQ(restarts("no", bad), Pair(false, false));
    EXPECT_EQ(restarts("always", good), Pair(true, true));
    EXPECT_EQ(restarts("always", stopped), Pair(false, true));
    EXPECT_EQ(restarts("unless-stopped", good), Pair(true, true));
    EXPECT_EQ(restarts("unless-stopped", stopped), Pair(false, false));
    EXPECT_EQ(restarts("on-failure", good), Pair(false, false));
    EXPECT_EQ(restarts("on-failure", bad), Pair(true, true));
    EXPECT_EQ(restarts("on-failure", stopped), Pair(false, false));
    EXPECT_EQ(restarts("on-failure", {.exit_code = 1, .restart_count = 2}, 3), Pair(true, true));
    EXPECT_EQ(restarts("on-failure", {.exit_code = 1, .restart_count = 3}, 3), Pair(false, false));
    HostConfig always;
    always.restart_policy = "always";
    EXPECT_FALSE(restarts_with_daemon(always, {})) << "what never ran is not started";
}

class RestartTest : public EngineTest {
protected:
    std::string run_with(const std::string& policy, int retries = 0) {
        CreateRequest wanted = request("box");
        wanted.host_config.restart_policy = policy;
        wanted.host_config.restart_retries = retries;
        const std::string id = create(wanted);
        EXPECT_TRUE(engine_->start(id));
        return id;
    }
    void wait_for_restart(const std::string& id, int count) {
        wait_for([&] {
            return state(id).status == Status::running && state(id).restart_count == count;
        });
    }
};

TEST_F(RestartTest, ComesBackUntilItIsStopped) {
    const std::string id = run_with("always");
    auto next = engine_->wait(id, WaitCondition::next_exit);
    world_.find(id)->finish("", 4);
    EXPECT_EQ((*next)->wait({})->exit_code, 4);
    wait_for_restart(id, 1);
    world_.find(id)->finish("", 0);
    wait_for_restart(id, 2);
    ASSERT_TRUE(engine_->stop(id, {.timeout_seconds = 1}));
    EXPECT_EQ(state(id).status, Status::exited);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(state(id).restart_count, 0) << "a user's start counts anew";
}

TEST_F(RestartTest, GivesUpAfterItsRetries) {
    const std::string id = run_with("on-failure", 1);
    world_.find(id)->finish("", 4);
    wait_for_restart(id, 1);
    world_.find(id)->finish("", 5);
    wait_for([&] { return state(id).status == Status::exited; });
    EXPECT_EQ(state(id).exit_code, 5);
}

TEST_F(RestartTest, AFailedRestartIsTriedAgain) {
    const std::string id = run_with("unless-stopped");
    std::atomic<int> failures = 0;
    world_.on_ready = [&](const runtime::SandboxSpec&) -> Result<void> {
        if (++failures <= 1) return fail(ErrorKind::unavailable, "no memory");
        return {};
    };
    world_.find(id)->finish("", 0);
    wait_for_restart(id, 2);
    EXPECT_GE(failures, 2);
}

TEST_F(RestartTest, WhatWaitsForItsRestartCanBeStoppedStartedAndRemoved) {
    const std::string id = run_with("always");
    world_.on_ready = [](const runtime::SandboxSpec&) -> Result<void> {
        return fail(ErrorKind::unavailable, "no memory");
    };
    world_.find(id)->finish("", 3);
    wait_for([&] { return state(id).status == Status::restarting; });
    EXPECT_EQ(engine_->start(id).error().kind(), ErrorKind::not_modified);
    EXPECT_EQ(engine_->pause(id).error().kind(), ErrorKind::conflict);
    EXPECT_THAT(engine_->remove(id, {}).error().message(), HasSubstr("container is restarting"));
    EXPECT_EQ(engine_->list({})->size(), 1U) << "ps shows it";
    ASSERT_TRUE(engine_->stop(id, {}));
    EXPECT_EQ(state(id).status, Status::exited);
    ASSERT_TRUE(engine_->remove(id, {}));
}

TEST_F(RestartTest, ComesBackWithTheDaemon) {
    const std::string always = run_with("always");
    CreateRequest other = request("other");
    other.host_config.restart_policy = "unless-stopped";
    const std::string stopped = create(other);
    ASSERT_TRUE(engine_->start(stopped));
    ASSERT_TRUE(engine_->stop(stopped, {.timeout_seconds = 1}));
    const std::string plain = run("plain");
    stop_daemon();
    world_.sandboxes.clear();  // the host was booted
    start_daemon();
    wait_for([&] { return state(always).status == Status::running; });
    EXPECT_EQ(state(stopped).status, Status::exited);
    EXPECT_EQ(state(plain).status, Status::exited);
}

TEST_F(RestartTest, ContradictionsAreRefused) {
    const auto refusal = [&](const std::string& policy, int retries, bool auto_remove) {
        CreateRequest wanted = request("box");
        wanted.host_config.restart_policy = policy;
        wanted.host_config.restart_retries = retries;
        wanted.host_config.auto_remove = auto_remove;
        const auto created = engine_->create(wanted);
        return created ? "" : created.error().message();
    };
    EXPECT_THAT(refusal("sometimes", 0, false), HasSubstr("unknown policy 'sometimes'"));
    EXPECT_THAT(refusal("always", 3, false), HasSubstr("maximum retry count"));
    EXPECT_THAT(refusal("on-failure", -1, false), HasSubstr("cannot be negative"));
    EXPECT_THAT(refusal("always", 0, true), HasSubstr("AutoRemove"));
}

}  // namespace
}  // namespace hako::engine
