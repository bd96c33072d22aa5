#include "engine/events.h"

#include <gtest/gtest.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

std::vector<std::string> actions(EventStream& stream) {
    std::vector<std::string> found;
    for (auto event = stream.next({}); event && *event; event = stream.next({}))
        found.push_back((*event)->action);
    return found;
}

TEST(EventLog, ALateListenerHearsWhatIsKeptAndAnEarlyOneWhatComes) {
    EventLog log;
    const WallTime beginning = now();
    auto early = log.listen({}, {});
    log.publish({.type = "container", .action = "create"});
    log.publish({.type = "container", .action = "start"});
    EXPECT_EQ((*early->next({}))->action, "create");
    EXPECT_EQ(actions(*log.listen(beginning, now())),
              (std::vector<std::string>{"create", "start"}));
    EXPECT_TRUE(actions(*log.listen({}, now())).empty());
    EXPECT_TRUE(actions(*log.listen(now() + std::chrono::hours(1), now())).empty());
}

TEST(EventLog, ASlowListenerLosesTheOldest) {
    EventLog log;
    auto slow = log.listen({}, {});
    for (std::size_t i = 0; i < EventLog::kKept + 3; ++i)
        log.publish({.action = std::to_string(i)});
    EXPECT_EQ((*slow->next({}))->action, "3");
}

TEST(EventLog, AListenerMayLeave) {
    EventLog log;
    std::stop_source client;
    auto stream = log.listen({}, {});
    client.request_stop();
    EXPECT_EQ(stream->next(client.get_token()).error().kind(), ErrorKind::cancelled);
}

using EventsTest = EngineTest;

TEST_F(EventsTest, ALifeIsTold) {
    const WallTime beginning = now();
    const std::string id = run("box");
    ASSERT_TRUE(engine_->rename(id, "crate"));
    const auto exec = engine_->create_exec(id, {.cmd = {"ls", "-l"}});
    ASSERT_TRUE(exec);
    ASSERT_TRUE(engine_->start_exec(*exec, {.detach = true}));
    world_.find(id)->finish(*exec, 3);
    while (!engine_->inspect_exec(*exec)->exit_code) std::this_thread::yield();
    ASSERT_TRUE(engine_->pause(id));
    ASSERT_TRUE(engine_->unpause(id));
    ASSERT_TRUE(engine_->stop(id, {.timeout_seconds = 1}));
    ASSERT_TRUE(engine_->remove(id, {}));

    auto stream = engine_->events(beginning, now());
    std::vector<std::string> told;
    std::map<std::string, Event> by_action;
    for (auto event = stream->next({}); event && *event; event = stream->next({})) {
        told.push_back((*event)->action);
        by_action[(*event)->action] = **event;
    }
    EXPECT_EQ(told, (std::vector<std::string>{"create", "start", "rename", "exec_create: ls -l",
                                              "exec_start: ls -l", "exec_die", "pause", "unpause",
                                              "kill", "die", "stop", "destroy"}));
    EXPECT_EQ(by_action["create"].actor, id);
    EXPECT_EQ(by_action["create"].attributes.at("name"), "box");
    EXPECT_EQ(by_action["create"].attributes.at("image"), "busybox");
    EXPECT_EQ(by_action["create"].attributes.at("from"), "image") << "labels are told as well";
    EXPECT_EQ(by_action["rename"].attributes.at("oldName"), "/box");
    EXPECT_EQ(by_action["kill"].attributes.at("signal"), "15");
    EXPECT_EQ(by_action["die"].attributes.at("exitCode"), "143");
    EXPECT_EQ(by_action["exec_die"].attributes.at("execID"), *exec);
    EXPECT_EQ(by_action["exec_die"].attributes.at("exitCode"), "3");
}

}  // namespace
}  // namespace hako::engine
