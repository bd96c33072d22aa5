#include <gtest/gtest.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

class MountsTest : public EngineTest {
protected:
    std::vector<MountPoint> mounts(const std::string& id) {
        auto container = engine_->inspect(id);
        EXPECT_TRUE(container) << container.error().message();
        return container ? container->mounts : std::vector<MountPoint>();
    }
    std::size_t volumes() { return engine_->list_volumes(false)->size(); }
};

TEST_F(MountsTest, ATmpfsWinsOverTheImagesVolume) {
    CreateRequest wanted = request("box");
    wanted.config.volumes = {"/data", "/more"};
    wanted.host_config.tmpfs = {{"/data/", "size=1m"}};
    const auto points = mounts(create(wanted));
    ASSERT_EQ(points.size(), 1U);
    EXPECT_EQ(points[0].target, "/more");
    EXPECT_EQ(volumes(), 1U);

    CreateRequest heir = request("heir");
    heir.host_config.volumes_from = {"box"};
    heir.host_config.tmpfs = {{"/more", ""}};
    EXPECT_TRUE(mounts(create(heir)).empty());
}

TEST_F(MountsTest, ATmpfsAndAMountOfOneTargetAreRefused) {
    for (const auto type : {MountType::volume, MountType::tmpfs}) {
        CreateRequest wanted = request();
        wanted.host_config.tmpfs = {{"/m", ""}};
        wanted.host_config.mounts = {{.type = type, .target = "/m/"}};
        const auto created = engine_->create(wanted);
        ASSERT_FALSE(created);
        EXPECT_EQ(created.error().kind(), ErrorKind::invalid);
        EXPECT_EQ(created.error().message(), "Duplicate mount point: /m");
    }
    EXPECT_EQ(volumes(), 0U);
}

TEST_F(MountsTest, AVolumeThatIsReadOnlyIsMountedSo) {
    ASSERT_TRUE(engine_->create_volume(
        {.name = "data", .options = {{"o", "bind,ro"}, {"device", folder_.path()}}}));
    CreateRequest wanted = request();
    wanted.host_config.mounts = {{.source = "data", .target = "/m"}};
    const auto points = mounts(create(wanted));
    ASSERT_EQ(points.size(), 1U);
    EXPECT_TRUE(points[0].read_only);
    EXPECT_FALSE(points[0].copy_up) << "nobody writes to it, not even the first start";
}

TEST_F(MountsTest, AFailedCreateLeavesNoAnonymousVolume) {
    CreateRequest wanted = request();
    wanted.config.volumes = {"/data"};
    wanted.host_config.network_mode = "nope";
    EXPECT_FALSE(engine_->create(wanted));
    EXPECT_EQ(volumes(), 0U);
}

TEST_F(MountsTest, ASourceOfABindIsMadeAgainAtTheStart) {
    const auto asked = folder_.path() / "asked" / "below", named = folder_.path() / "named";
    std::filesystem::create_directory(named);
    CreateRequest wanted = request();
    wanted.host_config.mounts = {
        {.type = MountType::bind, .source = asked, .target = "/asked", .make_source = true},
        {.type = MountType::bind, .source = named, .target = "/named"}};
    const std::string id = create(wanted);
    for (const auto& source : {asked, named}) ASSERT_TRUE(std::filesystem::remove(source));
    stop_daemon();
    start_daemon();
    ASSERT_TRUE(engine_->start(id));
    EXPECT_TRUE(std::filesystem::is_directory(asked));
    EXPECT_FALSE(std::filesystem::exists(named)) << "--mount wants it to be there";
}

TEST_F(MountsTest, AFolderOfProcfsIsWarnedOf) {
    CreateRequest wanted = request();
    wanted.host_config.mounts = {
        {.type = MountType::bind, .source = "/proc", .target = "/host/proc", .read_only = true},
        {.type = MountType::bind, .source = folder_.path(), .target = "/fine"}};
    const auto created = engine_->create(wanted);
    ASSERT_TRUE(created) << created.error().message();
    ASSERT_EQ(created->warnings.size(), 1U);
    EXPECT_TRUE(created->warnings[0].starts_with("The files of /proc read as empty in /host/proc"));
}

}  // namespace
}  // namespace hako::engine
