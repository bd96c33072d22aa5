#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using PauseTest = EngineTest;

TEST_F(PauseTest, StandsStillAndGoesOn) {
    const std::string id = run("box");
    EXPECT_EQ(engine_->unpause(id).error().kind(), ErrorKind::conflict);
    ASSERT_TRUE(engine_->pause(id));
    EXPECT_EQ(state(id).status, Status::paused);
    EXPECT_TRUE(world_.find(id)->paused);
    EXPECT_THAT(engine_->pause(id).error().message(), HasSubstr("already paused"));
    EXPECT_THAT(engine_->start(id).error().message(), HasSubstr("try unpause instead"));
    EXPECT_THAT(engine_->create_exec(id, {.cmd = {"ls"}}).error().message(),
                HasSubstr("unpause the container before exec"));
    EXPECT_THAT(engine_->kill(id, "HUP").error().message(), HasSubstr("unpause"));
    ASSERT_TRUE(engine_->unpause(id));
    EXPECT_FALSE(world_.find(id)->paused);
    EXPECT_EQ(state(id).status, Status::running);
}

TEST_F(PauseTest, StopsNevertheless) {
    const std::string id = run();
    const auto sandbox = world_.find(id);
    ASSERT_TRUE(engine_->pause(id));
    ASSERT_TRUE(engine_->stop(id, {.timeout_seconds = 5}));
    EXPECT_EQ(state(id).exit_code, 143);
    EXPECT_FALSE(sandbox->paused) << "a guest that stands still hears no signal";
    EXPECT_THAT(engine_->pause(id).error().message(), HasSubstr("is not running"));
}

TEST_F(PauseTest, TheNextDaemonFindsItPaused) {
    const std::string id = run();
    ASSERT_TRUE(engine_->pause(id));
    stop_daemon();
    start_daemon();
    EXPECT_EQ(state(id).status, Status::paused);
    ASSERT_TRUE(engine_->remove(id, {.force = true}));
}

using UpdateTest = EngineTest;

TEST_F(UpdateTest, RunningContainersGetNewLimits) {
    const std::string id = run();
    const auto updated = engine_->update(id, {.memory = 256 * kMiB,
                                              .pids_limit = 7,
                                              .restart_policy = "always",
                                              .host_config_json = R"({"Memory":268435456})"});
    ASSERT_TRUE(updated) << updated.error().message();
    EXPECT_TRUE(updated->empty());
    EXPECT_THAT(world_.find(id)->updates,
                ElementsAre(R"({"memory":{"limit":268435456},"pids":{"limit":7}})"));
    stop_daemon();
    start_daemon();
    const auto container = engine_->inspect(id);
    EXPECT_EQ(container->host_config.memory, 256 * kMiB);
    EXPECT_EQ(container->host_config.restart_policy, "always");
    EXPECT_EQ(container->host_config_json, R"({"Memory":268435456})");
}

TEST_F(UpdateTest, APausedContainerGetsThem) {
    const std::string id = run();
    ASSERT_TRUE(engine_->pause(id));
    ASSERT_TRUE(engine_->update(id, {.pids_limit = 7}));
    EXPECT_THAT(world_.find(id)->updates, ElementsAre(HasSubstr(R"("pids":{"limit":7})")));
    EXPECT_EQ(state(id).status, Status::paused);
}

TEST_F(UpdateTest, AVmKeepsItsMemory) {
    const std::string id = run();
    const auto updated = engine_->update(id, {.memory = 4 * kGiB});
    ASSERT_TRUE(updated);
    ASSERT_EQ(updated->size(), 1U);
    EXPECT_THAT(updated->front(), HasSubstr("started again"));
}

TEST_F(UpdateTest, BadLimitsChangeNothing) {
    const std::string id = create();
    EXPECT_EQ(engine_->update(id, {.memory = 1}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(engine_->update(id, {.restart_policy = "x"}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(engine_->inspect(id)->host_config.memory, 0U);
}

using PruneTest = EngineTest;

TEST_F(PruneTest, TakesWhatDoesNotRun) {
    const std::string running = run("one");
    CreateRequest labelled = request("two");
    labelled.config.labels = {{"keep", "yes"}};
    const std::string kept = create(labelled);
    const std::string gone = create("three");
    EXPECT_TRUE(engine_->prune({.until = engine_->inspect(kept)->created})->ids.empty());
    const auto pruned = engine_->prune({.without = {"keep=yes"}});
    ASSERT_TRUE(pruned);
    EXPECT_THAT(pruned->ids, ElementsAre(gone));
    EXPECT_THAT(engine_->prune({.labels = {"keep"}})->ids, ElementsAre(kept));
    EXPECT_EQ(engine_->list({.all = true})->size(), 1U);
}

}  // namespace
}  // namespace hako::engine
