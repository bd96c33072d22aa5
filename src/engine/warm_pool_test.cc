#include "engine/warm_pool.h"

#include <atomic>

#include "engine/fake_world.h"
#include "vmm/template_devices.h"

namespace hako::engine {
namespace {

class WarmPoolTest : public ::testing::Test {
protected:
    WarmPool* open(unsigned size) {
        WarmPool::Needs needs{
            .plan =
                [this](const auto& machine, bool rehearses) {
                    rehearses_ = rehearses;
                    return plan(machine);
                },
            .key = [this](const vmm::MachineSpec& spec) -> std::optional<std::string> {
                return fmt::format("{} {}", spec.memory_bytes, generation_.load());
            },
            .is_kept = [this](const auto&) { return is_kept_.load(); },
            .is_memory_short = [this] { return is_short_.load(); },
            .is_busy = [this] { return is_busy_.load(); },
            .look_again = std::chrono::milliseconds(2),
            .in_a_row = in_a_row_,
            .with_shares_for = with_shares_for_};
        pool_ = std::make_unique<WarmPool>(size, std::move(needs), driver_, tasks_);
        return pool_.get();
    }
    Result<runtime::SandboxSpec> plan(const vmm::MachineSpec& machine) {
        if (!has_template_ || (machine.takes_shares && !with_shares_))
            return fail(ErrorKind::not_found, "no template");
        runtime::SandboxSpec spec{.id = random_id(), .machine = machine, .waits = true};
        spec.folder = layout_.sandbox(spec.id);
        spec.container.id = "rehearsal of " + spec.id;
        spec.container.log.file = spec.folder / "log";
        (*machines_.lock())[spec.id] = machine;
        return spec;
    }
    bool becomes(const std::function<bool()>& condition) {
        for (int i = 0; i < 5000 && !condition(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return condition();
    }
    bool holds(const WarmPool& pool, std::size_t count) {
        return becomes([&] { return pool.waiting() == count && running() == count; });
    }
    std::size_t running() {
        const std::lock_guard lock(world_.mutex);
        return world_.vms.size();
    }
    ~WarmPoolTest() override { tasks_.stop_all(); }

    TempDir folder_ = *TempDir::create();
    Layout layout_{folder_.path() / "root", folder_.path() / "run"};
    FakeWorld world_;
    FakeDriver driver_{world_, layout_};
    Tasks tasks_;
    std::unique_ptr<WarmPool> pool_;
    std::atomic<bool> has_template_ = true;
    std::atomic<bool> is_short_ = false;
    std::atomic<bool> is_busy_ = false;
    std::atomic<bool> is_kept_ = false;
    std::atomic<bool> rehearses_ = false;  // the last one that was made
    std::chrono::milliseconds in_a_row_ = std::chrono::minutes(5);
    std::atomic<int> generation_ = 1;
    std::atomic<bool> with_shares_ = true;
    Guarded<std::map<std::string, vmm::MachineSpec>> machines_;  // by the VM's id
    std::chrono::milliseconds with_shares_for_ = std::chrono::hours(1);
    vmm::MachineSpec spec_{.id = "x", .kernel = "/vmlinux", .initramfs = "/initramfs"};
};

TEST_F(WarmPoolTest, IsKeptFull) {
    auto* const pool = open(2);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 2));
    const auto first = pool->take(spec_, 0).id;
    ASSERT_NE(first, "");
    ASSERT_TRUE(becomes([&] { return pool->waiting() == 2; }));
    const auto second = pool->take(spec_, 0).id;
    EXPECT_NE(second, first);
    ASSERT_TRUE(becomes([&] { return pool->waiting() == 2; }));
    pool->close();
    tasks_.stop_all();
    EXPECT_EQ(pool->waiting(), 0U);
    const std::lock_guard lock(world_.mutex);
    EXPECT_EQ(world_.vms, (std::set<std::string>{first, second}));
}

TEST_F(WarmPoolTest, MakesNoneWhileContainersStartSideBySide) {
    auto* const pool = open(1);
    is_busy_ = true;
    pool->keep(spec_);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    EXPECT_EQ(running(), 0U);
    is_busy_ = false;
    ASSERT_TRUE(holds(*pool, 1));
    is_busy_ = true;
    EXPECT_NE(pool->take(spec_, 0).id, "") << "what waits is there for whoever comes";
    pool->close();
    tasks_.stop_all();
}

TEST_F(WarmPoolTest, IsOnlyForMachinesThatItFits) {
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    auto other = spec_;
    other.memory_bytes *= 2;
    EXPECT_EQ(pool->take(other, 0).id, "");
    EXPECT_EQ(pool->take(spec_, 1).id, "");
    other = spec_;
    other.disks = {{.serial = "rootfs", .extents = {"/x"}, .read_only = true}};
    EXPECT_NE(pool->take(other, 0).id, "");
}

TEST_F(WarmPoolTest, OneWithACardIsForContainersWithOneOrNone) {
    auto* const pool = open(2);
    spec_.nics = {{"hkt0", "02:42:ac:11:00:02"}};
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 2));
    EXPECT_EQ(pool->take(spec_, 2).id, "");
    const auto one = pool->take(spec_, 1);
    EXPECT_NE(one.id, "");
    EXPECT_EQ(one.tap, "hkt0");
    EXPECT_NE(pool->take(spec_, 0).id, "");
}

TEST_F(WarmPoolTest, OnesThatAreNeededInARowDoNotRehearse) {
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    EXPECT_TRUE(rehearses_);
    for (const bool in_a_row : {false, true}) {
        ASSERT_NE(pool->take(spec_, 0).id, "");
        ASSERT_TRUE(becomes([&] { return pool->waiting() == 1; }));
        EXPECT_EQ(rehearses_, !in_a_row);
    }
    is_kept_ = true;
    rehearses_ = true;
    ASSERT_NE(pool->make_at_once(spec_, 0, {}).id, "");
    EXPECT_FALSE(rehearses_);
}

TEST_F(WarmPoolTest, OneThatIsKeptIsThereAtOnce) {
    auto* const pool = open(0);
    spec_.nics = {{"hkt0", "02:42:ac:11:00:02"}};
    spec_.disks = vmm::container_bays();
    EXPECT_EQ(pool->make_at_once(spec_, 1, {}).id, "") << "nobody said what VMs have";
    pool->keep(spec_);
    EXPECT_EQ(pool->make_at_once(spec_, 1, {}).id, "") << "none is kept";
    is_kept_ = true;
    auto container = spec_;
    container.memory_bytes *= 2;
    container.disks = {{.serial = "rootfs", .extents = {"/x"}, .read_only = true}};
    container.nics.clear();
    for (const std::size_t cards : {0, 1}) {
        const auto made = pool->make_at_once(container, cards, {});
        ASSERT_NE(made.id, "");
        EXPECT_EQ(made.tap, "hkt0");
        const auto machine = machines_.lock()->at(made.id);
        EXPECT_EQ(machine.memory_bytes, container.memory_bytes);
        ASSERT_EQ(machine.disks.size(), 2U);
        EXPECT_TRUE(machine.disks[0].bay);
    }
    EXPECT_EQ(pool->make_at_once(container, 2, {}).id, "");
    container.takes_shares = true;
    EXPECT_EQ(pool->make_at_once(container, 1, {}).id, "");
    container.takes_shares = false;
    has_template_ = false;
    EXPECT_EQ(pool->make_at_once(container, 1, {}).id, "");
    pool->close();
    has_template_ = true;
    EXPECT_EQ(pool->make_at_once(container, 1, {}).id, "");
    EXPECT_EQ(running(), 2U);
}

TEST_F(WarmPoolTest, OneThatTakesFoldersWaitsOnceTheyAreUsed) {
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    auto with_folder = spec_;
    with_folder.shares = {{.name = "m0", .source = "/srv"}};
    EXPECT_EQ(pool->take(with_folder, 0).id, "") << "the one that waits takes none";
    ASSERT_TRUE(holds(*pool, 2));
    const auto taken = pool->take(with_folder, 0).id;
    ASSERT_NE(taken, "");
    EXPECT_TRUE(machines_.lock()->at(taken).takes_shares);
    ASSERT_TRUE(becomes([&] { return pool->waiting() == 2; }));
    EXPECT_FALSE(machines_.lock()->at(pool->take(spec_, 0).id).takes_shares);
}

TEST_F(WarmPoolTest, TheOthersDoNotWaitForOneThatTakesFolders) {
    with_shares_ = false;
    auto* const pool = open(1);
    pool->keep(spec_);
    auto with_folder = spec_;
    with_folder.takes_shares = true;
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(becomes([&] { return pool->waiting() == 1; }));
        EXPECT_EQ(pool->take(with_folder, 0).id, "");
        EXPECT_NE(pool->take(spec_, 0).id, "");
    }
}

TEST_F(WarmPoolTest, OneThatTakesFoldersGoesWhenTheyAreUsedNoMore) {
    with_shares_for_ = std::chrono::milliseconds(300);
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    auto with_folder = spec_;
    with_folder.takes_shares = true;
    EXPECT_EQ(pool->take(with_folder, 0).id, "");
    ASSERT_TRUE(holds(*pool, 2));
    ASSERT_TRUE(holds(*pool, 1));
    EXPECT_NE(pool->take(spec_, 0).id, "");
}

TEST_F(WarmPoolTest, IsOffWithoutASize) {
    auto* const pool = open(0);
    pool->keep(spec_);
    EXPECT_EQ(pool->take(spec_, 0).id, "");
    EXPECT_EQ(world_.spawns, 0);
}

TEST_F(WarmPoolTest, WaitsForATemplate) {
    has_template_ = false;
    auto* const pool = open(1);
    pool->keep(spec_);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(world_.spawns, 0);
    has_template_ = true;
    EXPECT_TRUE(holds(*pool, 1));
}

TEST_F(WarmPoolTest, IsDrainedWhileMemoryIsShort) {
    auto* const pool = open(2);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 2));
    is_short_ = true;
    ASSERT_TRUE(holds(*pool, 0));
    is_short_ = false;
    EXPECT_TRUE(holds(*pool, 2));
}

TEST_F(WarmPoolTest, VmsOfAnOldTemplateGo) {
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    generation_ = 2;
    ASSERT_TRUE(becomes([&] { return world_.cleanups == 1 && pool->waiting() == 1; }));
    EXPECT_NE(pool->take(spec_, 0).id, "");
}

TEST_F(WarmPoolTest, ADeadVmIsReplaced) {
    auto* const pool = open(1);
    pool->keep(spec_);
    ASSERT_TRUE(holds(*pool, 1));
    {
        const std::lock_guard lock(world_.mutex);
        world_.vms.clear();
    }
    EXPECT_TRUE(becomes([&] { return world_.spawns == 2 && pool->waiting() == 1; }));
}

}  // namespace
}  // namespace hako::engine
