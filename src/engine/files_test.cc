#include "engine/files.h"

#include <gtest/gtest.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

class FilesTest : public EngineTest {
protected:
    Result<void> copy_in(const std::string& id, const std::string& text) {
        TextReader tar(text);
        return engine_->copy_in(id, {.path = "/tmp"}, tar, {});
    }
};

TEST_F(FilesTest, ACreatedContainerTakesFilesAndStartsInTheSameMachine) {
    const std::string id = create("box");
    ASSERT_TRUE(copy_in(id, "one"));
    ASSERT_TRUE(copy_in(id, "two"));
    EXPECT_EQ(world_.find(id)->files["/tmp"], "two");
    EXPECT_EQ(state(id).status, Status::created) << "a machine for files is no run";
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(world_.spawns, 1);
    EXPECT_EQ(state(id).status, Status::running);
    ASSERT_TRUE(copy_in(id, "three"));
    world_.find(id)->finish("", 3);
    EXPECT_EQ(wait(id).exit_code, 3);
}

TEST_F(FilesTest, AContainerThatEndedIsReadByAMachineOfItsOwn) {
    const std::string id = run();
    world_.find(id)->finish("", 5);
    wait(id);
    TextWriter tar;
    ASSERT_TRUE(engine_->copy_out(id, "/etc", tar, {}));
    EXPECT_EQ(tar.text, "a tar of /etc");
    EXPECT_EQ(*engine_->changes(id), (std::vector<Change>{{Change::Kind::changed, "/etc"},
                                                          {Change::Kind::added, "/etc/x"}}));
    EXPECT_EQ(world_.spawns, 2);
    EXPECT_EQ(state(id).exit_code, 5);
}

TEST_F(FilesTest, AMachineThatDiedIsReplaced) {
    const std::string id = create();
    ASSERT_TRUE(copy_in(id, "one"));
    world_.find(id)->lose();
    ASSERT_TRUE(copy_in(id, "two"));
    EXPECT_EQ(world_.spawns, 2);
    world_.find(id)->lose();
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(world_.spawns, 3);
}

TEST_F(FilesTest, NothingIsLeftOfIt) {
    const std::string removed = create();
    ASSERT_TRUE(copy_in(removed, "x"));
    ASSERT_TRUE(engine_->remove(removed, {}));
    EXPECT_FALSE(world_.find(removed));

    const std::string id = create();
    ASSERT_TRUE(copy_in(id, "x"));
    stop_daemon();
    EXPECT_FALSE(world_.find(id)) << "the daemon ends it, for it is no container that goes on";
    start_daemon();
    EXPECT_EQ(state(id).status, Status::created);
}

TEST_F(FilesTest, AMachineThatDoesNotBootIsTheError) {
    world_.on_ready = [](const runtime::SandboxSpec&) -> Result<void> {
        return fail(ErrorKind::unavailable, "no kernel");
    };
    const std::string id = create("box");
    EXPECT_EQ(copy_in(id, "x").error().message(),
              "cannot reach the files of container box: no kernel");
    EXPECT_FALSE(world_.find(id));
    world_.on_ready = nullptr;
    EXPECT_TRUE(copy_in(id, "x"));
}

TEST_F(FilesTest, TheGuestKnowsWhatIsReadOnly) {
    auto locked = request();
    locked.host_config.readonly_rootfs = true;
    const auto copied = copy_in(create(locked), "x");
    EXPECT_TRUE(copied) << "the path may lead to a volume: " << copied.error().message();
}

TEST_F(FilesTest, BadRequests) {
    const std::string id = create();
    TextWriter tar;
    EXPECT_EQ(engine_->copy_out(id, "", tar, {}).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(engine_->stat_path("none", "/").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(world_.spawns, 0);
}

}  // namespace
}  // namespace hako::engine
