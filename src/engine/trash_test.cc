#include "engine/trash.h"

#include <chrono>
#include <thread>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

class TrashTest : public EngineTest {
protected:
    fs::path trash() const { return layout_.root() / "trash"; }
    bool becomes_empty() const {
        std::error_code error;
        for (int i = 0; i < 2000 && !fs::is_empty(trash(), error); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return fs::is_empty(trash(), error);
    }
};

TEST_F(TrashTest, ARemovedContainersFolderIsDeletedInTheBackground) {
    const std::string id = create("web");
    const auto folder = layout_.container(id);
    ASSERT_TRUE(fs::exists(folder / "log"));
    ASSERT_TRUE(engine_->remove(id, {}));
    EXPECT_FALSE(fs::exists(folder));
    EXPECT_TRUE(becomes_empty());
}

TEST_F(TrashTest, TheNextDaemonEmptiesIt) {
    stop_daemon();
    ASSERT_TRUE(make_folders(trash() / "left" / "behind"));
    start_daemon();
    EXPECT_TRUE(becomes_empty());
}

}  // namespace
}  // namespace hako::engine
