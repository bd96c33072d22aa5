#include <gtest/gtest.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using StopAllTest = EngineTest;

TEST_F(StopAllTest, TakesAllAndLeavesThemToTheirPolicies) {
    CreateRequest wanted = request("comes-back");
    wanted.host_config.restart_policy = "unless-stopped";
    const std::string comes_back = create(wanted);
    ASSERT_TRUE(engine_->start(comes_back));
    const std::string plain = run("plain");
    const std::string paused = run("paused");
    ASSERT_TRUE(engine_->pause(paused));
    const std::string never = create("never");
    engine_->stop_all();
    for (const std::string& id : {comes_back, plain, paused}) {
        EXPECT_EQ(state(id).status, Status::exited);
        EXPECT_EQ(state(id).exit_code, 143);
    }
    EXPECT_EQ(state(never).status, Status::created);

    stop_daemon();
    start_daemon();
    auto running = engine_->wait(comes_back, WaitCondition::next_exit);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (state(comes_back).status != Status::running) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(state(plain).status, Status::exited);
}

}  // namespace
}  // namespace hako::engine
