#include "engine/sharing.h"

#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using testing::HasSubstr;

class SharingTest : public EngineTest {
protected:
    std::string join(const std::string& name, const std::string& other) {
        auto asked = request(name);
        asked.host_config.pid_mode = "container:" + other;
        asked.host_config.network_mode = "container:" + other;
        return create(asked);
    }
    std::string refusal(const CreateRequest& asked) {
        const auto created = engine_->create(asked);
        return created ? "created" : created.error().message();
    }
    bool runs(const std::string& vm) {
        const std::lock_guard lock(world_.mutex);
        return world_.vms.contains(vm);
    }
};

TEST_F(SharingTest, AJoiningContainerRunsInTheOthersVm) {
    const auto box = run("box");
    const auto guest = join("guest", "box");
    EXPECT_EQ(engine_->inspect(guest)->host_config.pid_mode, "container:" + box);
    EXPECT_EQ(engine_->inspect(guest)->config.hostname, box.substr(0, 12));
    ASSERT_TRUE(engine_->start(guest));
    EXPECT_EQ(world_.spawns, 1);
    const auto sandbox = world_.find(guest);
    EXPECT_EQ(sandbox->vm, box);
    const auto& spec = sandbox->spec.container;
    EXPECT_EQ(spec.rootfs.serial, "r" + guest.substr(0, 19));
    EXPECT_EQ(spec.scratch.serial, "s" + guest.substr(0, 19));
    const Json oci = *parse_json(spec.oci_spec);
    const auto has = [&](const Json& wanted) {
        for (const auto& item : oci["linux"]["namespaces"])
            if (item == wanted) return true;
        return false;
    };
    EXPECT_TRUE(has({{"type", "pid"}, {"path", "container:" + box}}));
    EXPECT_TRUE(has({{"type", "network"}, {"path", "container:" + box}}));
    EXPECT_TRUE(has({{"type", "ipc"}}));
    EXPECT_FALSE(oci["linux"]["resources"].contains("memory")) << "the VM is its limit";
}

TEST_F(SharingTest, TheVmLivesAsLongAsAnyOfItsContainers) {
    const auto box = run("box");
    const auto guest = join("guest", "box");
    ASSERT_TRUE(engine_->start(guest));
    world_.find(box)->finish("", 3);
    EXPECT_EQ(wait(box).exit_code, 3);
    wait_for([&] { return world_.find(box) == nullptr; });
    EXPECT_TRUE(runs(box));
    EXPECT_EQ(state(guest).status, Status::running);

    ASSERT_TRUE(engine_->start("box")) << "into its VM again";
    EXPECT_EQ(world_.spawns, 1);
    EXPECT_EQ(world_.find(box)->vm, box);
    ASSERT_TRUE(engine_->stop("box", {}));
    ASSERT_TRUE(engine_->remove("box", {}));
    EXPECT_TRUE(runs(box)) << "its VM is not its files";
    EXPECT_EQ(state(guest).status, Status::running);

    ASSERT_TRUE(engine_->stop(guest, {}));
    EXPECT_FALSE(runs(box));
    EXPECT_THAT(engine_->start(guest).error().message(), HasSubstr("No such container"));
}

TEST_F(SharingTest, ItStartsOnlyWhereTheOtherRuns) {
    create("box");
    const auto guest = join("guest", "box");
    const auto started = engine_->start(guest);
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message(), HasSubstr("non running container: box must be started"));
    EXPECT_EQ(state(guest).status, Status::created);
    EXPECT_EQ(world_.spawns, 0);
}

TEST_F(SharingTest, AJoinerOfAJoinerRunsInTheSameVm) {
    const auto box = run("box");
    ASSERT_TRUE(engine_->start(join("second", "box")));
    const auto third = join("third", "second");
    ASSERT_TRUE(engine_->start(third));
    EXPECT_EQ(world_.find(third)->vm, box);
}

TEST_F(SharingTest, AllOfAVmAreFoundAgainByTheNextDaemon) {
    const auto box = run("box");
    const auto guest = join("guest", "box");
    ASSERT_TRUE(engine_->start(guest));
    const auto other = join("other", "box");
    ASSERT_TRUE(engine_->start(other));
    stop_daemon();
    world_.find(other)->finish("", 5);
    start_daemon();
    EXPECT_EQ(state(box).status, Status::running);
    EXPECT_EQ(state(guest).status, Status::running);
    EXPECT_EQ(wait(other).exit_code, 5);
    ASSERT_TRUE(engine_->stop(box, {}));
    ASSERT_TRUE(engine_->remove(box, {}));
    stop_daemon();
    start_daemon();
    EXPECT_EQ(state(guest).status, Status::running) << "in the VM of a container that is removed";
    ASSERT_TRUE(engine_->stop(guest, {}));
    EXPECT_FALSE(runs(box));
}

TEST_F(SharingTest, AContainerThatWasOnlyPreparedIsTakenOutByTheNextDaemon) {
    const auto box = run("box");
    const auto guest = join("guest", "box");
    world_.on_start = [](const std::string&) -> Result<void> { std::terminate(); };
    {
        // As if the daemon was killed between preparing and starting it.
        auto asked = world_.find(box)->spec;
        asked.container.id = guest;
        asked.container.log.file = layout_.container_log(guest);
        world_.add(asked, box);
        ContainerState prepared = state(guest);
        prepared.vm = box;
        stop_daemon();
        auto database = store::Database::open(layout_.database());
        ASSERT_TRUE(ContainerStore::open(**database)->save_state(guest, prepared));
    }
    start_daemon();
    EXPECT_EQ(world_.find(guest), nullptr);
    EXPECT_EQ(state(guest).status, Status::created);
    EXPECT_TRUE(runs(box));
}

TEST_F(SharingTest, AVmThatDiesTakesAllWithIt) {
    const auto box = run("box");
    const auto guest = join("guest", "box");
    ASSERT_TRUE(engine_->start(guest));
    world_.lose([](const FakeSandbox&) { return true; });
    EXPECT_EQ(wait(box).exit_code, 137);
    EXPECT_EQ(wait(guest).exit_code, 137);
    wait_for([&] { return !runs(box); });
}

TEST_F(SharingTest, FilesOfAJoinerThatDoesNotRunNeedNoOther) {
    create("box");
    const auto guest = join("guest", "box");
    ASSERT_TRUE(engine_->stat_path(guest, "/etc"));
    EXPECT_EQ(world_.find(guest)->vm, guest);
    const Json oci = *parse_json(world_.find(guest)->spec.container.oci_spec);
    for (const auto& item : oci["linux"]["namespaces"]) EXPECT_FALSE(item.contains("path"));
    ASSERT_TRUE(engine_->start("box"));
    ASSERT_TRUE(engine_->start(guest));
    EXPECT_NE(world_.find(guest)->vm, guest);
}

TEST_F(SharingTest, TheVmMustHaveRoom) {
    run("box");
    auto asked = request("big");
    asked.host_config.ipc_mode = "container:box";
    asked.host_config.memory = 2 * kGiB;
    const auto big = create(asked);
    EXPECT_THAT(engine_->start(big).error().message(),
                HasSubstr("too few for a limit of 2048 MiB"));
    asked.name = "small";
    asked.host_config.memory = 64 * kMiB;
    EXPECT_TRUE(engine_->start(create(asked)));
}

TEST_F(SharingTest, ContradictionsAreRefused) {
    run("box");
    run("other");
    auto asked = request();
    asked.host_config.network_mode = "container:nobody";
    EXPECT_THAT(refusal(asked), HasSubstr("No such container: nobody"));
    asked.host_config.network_mode = "container:box";
    asked.host_config.pid_mode = "container:other";
    EXPECT_THAT(refusal(asked), HasSubstr("PidMode: all namespaces must be shared with one"));
    asked.host_config.pid_mode = "";
    asked.config.hostname = "own";
    EXPECT_THAT(refusal(asked), HasSubstr("conflicting options: hostname"));
    asked.config.hostname = "";
    asked.host_config.extra_hosts = {"a:1.2.3.4"};
    EXPECT_THAT(refusal(asked), HasSubstr("custom host-to-IP mapping"));
    asked.host_config.extra_hosts.clear();
    asked.host_config.port_bindings = {{"80/tcp", "", "8080"}};
    EXPECT_THAT(refusal(asked), HasSubstr("publish the ports of the other container"));
    asked.host_config.port_bindings.clear();
    asked.host_config.dns = {"192.0.2.1"};
    EXPECT_THAT(refusal(asked), HasSubstr("names are those of the other container"));
    asked.host_config.dns.clear();
    asked.host_config.annotations = {{"io.hako.kernel", "own"}};
    EXPECT_THAT(refusal(asked), HasSubstr("the kernel is that of the other"));
}

TEST_F(SharingTest, WithoutTheOthersNetworkItHasNone) {
    run("box");
    auto asked = request("guest");
    asked.host_config.network_mode = "default";
    asked.host_config.pid_mode = "container:box";
    const auto created = engine_->create(asked);
    ASSERT_TRUE(created) << created.error().message();
    ASSERT_EQ(created->warnings.size(), 1U);
    EXPECT_THAT(created->warnings[0], HasSubstr("Use --network container:box"));
    ASSERT_TRUE(engine_->start("guest"));
    const Json oci = *parse_json(world_.find(created->id)->spec.container.oci_spec);
    EXPECT_THAT(dump_json(oci["linux"]["namespaces"]), HasSubstr(R"({"type":"network"})"));
}

}  // namespace
}  // namespace hako::engine
