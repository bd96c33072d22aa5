// Containers in VMs that waited for them.
#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WarmStartTest : public EngineTest {
protected:
    WarmStartTest() {
        stop_daemon();
        prepare_ = [this](Context& context) {
            WarmPool::Needs needs{
                .plan = [this](const auto& machine, bool) { return plan(machine); },
                .key = [](const auto&) { return std::optional("all alike"); },
                .is_memory_short = [] { return false; },
                .look_again = std::chrono::milliseconds(2)};
            context.pool = std::make_unique<WarmPool>(1, std::move(needs), *context.world.sandboxes,
                                                      context.tasks);
            pool_ = context.pool.get();
        };
        start_daemon();
        // Not before: a daemon that starts removes the sandboxes that belong to no container.
        pool_->keep({.id = "x", .nics = {{"", ""}}});
        wait_for([&] { return pool_->waiting() == 1; });
    }
    Result<runtime::SandboxSpec> plan(vmm::MachineSpec machine) {
        runtime::SandboxSpec spec{.id = random_id(), .waits = true};
        machine.id = spec.id;
        machine.nics.front() = {"hkt" + spec.id.substr(0, 8), std::string(vmm::kFirstCardMac)};
        add_spare_card(machine, spec.id);
        for (const auto& nic : machine.nics) host_.links.state.lock()->waiting.insert(nic.tap);
        spec.machine = machine;
        spec.folder = layout_.sandbox(spec.id);
        spec.container.id = "rehearsal of " + spec.id;
        spec.container.log.file = spec.folder / "log";
        spec.container.exit_record = spec.folder / "exit.json";
        return spec;
    }
    std::string run_on(const std::string& name, const std::string& network) {
        CreateRequest wanted = request(name);
        wanted.host_config.network_mode = network;
        const std::string id = create(wanted);
        const auto started = engine_->start(id);
        EXPECT_TRUE(started) << started.error().message();
        return id;
    }
    std::vector<network::TapSpec> taps() {
        std::vector<network::TapSpec> all;
        for (const auto& [name, tap] : host_.links.state.lock()->taps) all.push_back(tap);
        return all;
    }

    WarmPool* pool_ = nullptr;
};

TEST_F(WarmStartTest, AContainerOnTheDefaultNetworkGetsTheTapThatWaited) {
    const std::string id = run_on("aa", "");
    const auto sandbox = world_.find(id);
    EXPECT_NE(sandbox->vm, id);
    ASSERT_THAT(taps(), SizeIs(1));
    const network::TapSpec tap = taps().front();
    EXPECT_EQ(tap.waiting, "hkt" + sandbox->vm.substr(0, 8));
    const Attachment one = engine_->inspect(id)->networks.front();
    EXPECT_EQ(tap.name, network::tap_name(id, one.network_id));
    EXPECT_EQ(tap.bridge, network::bridge_name(one.network_id));
    // Its own MAC and addresses, and rules for both.
    ASSERT_THAT(sandbox->spec.network.interfaces, SizeIs(1));
    EXPECT_EQ(sandbox->spec.network.interfaces.front().mac, one.mac);
    EXPECT_THAT(sandbox->spec.network.interfaces.front().addresses, ElementsAre(one.ipv4 + "/16"));
    const auto endpoints = host_.firewall.applied.lock()->state.endpoints;
    ASSERT_THAT(endpoints, SizeIs(1));
    EXPECT_EQ(endpoints.front().tap, tap.name);
    EXPECT_EQ(to_string(endpoints.front().mac), one.mac);
}

TEST_F(WarmStartTest, ItHasACardToSpare) {
    ASSERT_TRUE(engine_->create_network({.name = "app"}));
    const std::string id = run_on("aa", "");
    const std::string vm = world_.find(id)->vm;
    ASSERT_NE(vm, id);
    ASSERT_TRUE(engine_->connect_network("app", id, {}));
    ASSERT_THAT(taps(), SizeIs(2));
    // The first one's goes back to what it was.
    ASSERT_TRUE(engine_->disconnect_network("bridge", id));
    EXPECT_TRUE(host_.links.state.lock()->waiting.contains(waiting_tap(vm, vmm::kFirstCardMac)));
    ASSERT_TRUE(engine_->connect_network("bridge", id, {}));
    EXPECT_EQ(engine_->inspect(id)->networks.back().interface, "eth0");
    EXPECT_EQ(engine_->inspect(id)->networks.back().card, vmm::kFirstCardMac);
}

TEST_F(WarmStartTest, OneWithoutNetworksTakesItToo) {
    const std::string id = run_on("aa", "none");
    EXPECT_NE(world_.find(id)->vm, id);
    EXPECT_THAT(world_.find(id)->spec.network.interfaces, IsEmpty());
    EXPECT_THAT(taps(), IsEmpty());
}

TEST_F(WarmStartTest, AVmThatIsOfNoUseLeavesNothing) {
    std::string refused;
    world_.on_add = [&](const std::string& vm) -> Result<void> {
        refused = vm;
        return fail(ErrorKind::unavailable, "the guest does not answer");
    };
    const std::string id = run_on("aa", "");
    EXPECT_EQ(world_.find(id)->vm, id);
    EXPECT_FALSE(world_.vms.contains(refused));
    ASSERT_THAT(taps(), SizeIs(1));
    EXPECT_EQ(taps().front().waiting, "");
    EXPECT_THAT(host_.firewall.applied.lock()->state.endpoints, SizeIs(1));
}

TEST_F(WarmStartTest, ATapThatWentMeanwhileIsMadeAnew) {
    host_.links.state.lock()->waiting.clear();
    const std::string id = run_on("aa", "");
    EXPECT_EQ(world_.find(id)->vm, id);
    ASSERT_THAT(taps(), SizeIs(1));
    EXPECT_EQ(taps().front().waiting, "");
}

TEST_F(WarmStartTest, TwoNetworksNeedAVmOfTheirOwn) {
    ASSERT_TRUE(engine_->create_network({.name = "app"}));
    CreateRequest wanted = request("aa");
    wanted.host_config.network_mode = "";
    wanted.endpoints = {{"app", {}}, {"bridge", {}}};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(world_.find(id)->vm, id);
    EXPECT_THAT(taps(), SizeIs(2));
}

}  // namespace
}  // namespace hako::engine
