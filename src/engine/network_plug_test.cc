// Networks that come and go while containers run.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PlugTest : public EngineTest {
protected:
    PlugTest() {
        // As shims do it.
        world_.on_ready = [this](const runtime::SandboxSpec& spec) -> Result<void> {
            for (const auto& nic : spec.machine.nics)
                if (nic.spare) host_.links.state.lock()->waiting.insert(nic.tap);
            return {};
        };
        stop_daemon();
        prepare_ = [this](Context& context) { networks_ = context.networks.get(); };
        start_daemon();
        make("app", "10.5.0.0/24");
        make("other", "10.6.0.0/24");
    }
    void make(const std::string& name, const std::string& subnet) {
        EXPECT_TRUE(engine_->create_network({.name = name, .ranges = {{.subnet = subnet}}}));
    }
    std::string run_on(const std::string& name, const std::string& network,
                       std::vector<PublishedPort> ports = {}) {
        CreateRequest wanted = request(name);
        wanted.host_config.network_mode = network;
        wanted.host_config.port_bindings = std::move(ports);
        const std::string id = create(wanted);
        const auto started = engine_->start(id);
        EXPECT_TRUE(started) << started.error().message();
        return id;
    }
    void connect(const std::string& network, const std::string& id,
                 const EndpointSettings& settings = {}) {
        const auto connected = engine_->connect_network(network, id, settings);
        ASSERT_TRUE(connected) << connected.error().message();
    }
    void disconnect(const std::string& network, const std::string& id) {
        const auto disconnected = engine_->disconnect_network(network, id);
        ASSERT_TRUE(disconnected) << disconnected.error().message();
    }
    std::vector<std::string> networks(const std::string& id) {
        const auto all = engine_->inspect(id)->networks;
        std::vector<std::string> names;
        for (const auto& one : all)
            names.push_back(one.network_name + (one.live() ? "" : " (not live)"));
        return names;
    }
    Attachment attachment(const std::string& id, const std::string& network) {
        const auto all = engine_->inspect(id)->networks;
        for (const auto& one : all)
            if (one.network_name == network) return one;
        ADD_FAILURE() << "not on " << network;
        return {};
    }
    // The last.
    runtime::NetworkSpec change(const std::string& id) {
        const auto sandbox = world_.find(id);
        const std::lock_guard lock(sandbox->mutex);
        return sandbox->network_changes.empty() ? runtime::NetworkSpec()
                                                : sandbox->network_changes.back();
    }
    std::size_t taps() { return host_.links.state.lock()->taps.size(); }
    std::size_t waiting() { return host_.links.state.lock()->waiting.size(); }
    std::size_t endpoints() { return host_.firewall.applied.lock()->state.endpoints.size(); }
    std::vector<std::string> ports(const std::string& id, const std::string& network) {
        std::vector<std::string> all;
        const Attachment one = attachment(id, network);
        for (const auto& port : one.ports) all.push_back(port.host_port);
        return all;
    }

    Networks* networks_ = nullptr;
};

TEST_F(PlugTest, WhatSharesTheNetworkHearsOfItsNames) {
    const std::string id = run_on("box", "app");
    CreateRequest wanted = request("guest");
    wanted.host_config.network_mode = "container:box";
    const std::string guest = create(wanted);
    ASSERT_TRUE(engine_->start(guest));
    connect("other", id, {.ipv4 = "10.6.0.77"});
    const auto told = change(id);
    ASSERT_THAT(told.lines, SizeIs(2));
    EXPECT_EQ(told.lines[0].container, id);
    EXPECT_EQ(told.lines[1].container, guest);
    EXPECT_EQ(told.lines[1].come, told.lines[0].come);
}

TEST_F(PlugTest, ANetworkComesAndGoesWithAllThatItNeeds) {
    const std::string id = run_on("aa", "app");
    const vmm::Nic spare = world_.find(id)->spec.machine.nics.back();
    connect("other", id, {.aliases = {"www"}, .ipv4 = "10.6.0.77"});
    const Attachment one = attachment(id, "other");
    EXPECT_EQ(one.ipv4, "10.6.0.77");
    EXPECT_FALSE(one.changes);
    // Host: the tap that waited, rules and names.
    const auto tap = host_.links.state.lock()->taps.at(network::tap_name(id, one.network_id));
    EXPECT_EQ(tap.waiting, spare.tap);
    EXPECT_EQ(tap.bridge, network::bridge_name(one.network_id));
    EXPECT_EQ(waiting(), 0U);
    EXPECT_EQ(endpoints(), 2U);
    EXPECT_THAT((*host_.names.table.lock())[one.network_id].hosts.front().names,
                ElementsAre("aa", "www", id.substr(0, 12)));
    // Guest: the card that waited, its own way out as it was.
    auto told = change(id);
    ASSERT_THAT(told.interfaces, SizeIs(2));
    EXPECT_EQ(told.interfaces[0].name, "") << "whatever became of it before";
    EXPECT_EQ(told.interfaces[0].card, spare.mac);
    EXPECT_EQ(told.interfaces[1].name, "eth1");
    EXPECT_EQ(told.interfaces[1].card, spare.mac);
    EXPECT_EQ(told.interfaces[1].mac, one.mac);
    EXPECT_THAT(told.interfaces[1].addresses, ElementsAre("10.6.0.77/24"));
    EXPECT_THAT(told.routes, IsEmpty());
    ASSERT_THAT(told.lines, SizeIs(1));
    EXPECT_EQ(told.lines[0].path, "/etc/hosts");
    EXPECT_THAT(told.lines[0].gone, IsEmpty());
    EXPECT_THAT(told.lines[0].come, ElementsAre("10.6.0.77\t" + id.substr(0, 12)));
    EXPECT_EQ(engine_->connect_network("other", id, {}).error().kind(), ErrorKind::forbidden);
    EXPECT_FALSE(engine_->remove_network("other"));

    disconnect("other", id);
    EXPECT_THAT(networks(id), ElementsAre("app"));
    EXPECT_EQ(taps(), 1U);
    EXPECT_EQ(endpoints(), 1U);
    EXPECT_THAT(host_.links.state.lock()->waiting, ElementsAre(spare.tap));
    told = change(id);
    ASSERT_THAT(told.interfaces, SizeIs(1));
    EXPECT_EQ(told.interfaces[0].name, "");
    EXPECT_EQ(told.interfaces[0].card, spare.mac);
    EXPECT_THAT(told.lines[0].gone, ElementsAre("10.6.0.77\t" + id.substr(0, 12)));
    EXPECT_EQ(engine_->disconnect_network("other", id).error().kind(), ErrorKind::not_found);

    for (int round = 0; round < 3; ++round) {
        connect("other", id);
        disconnect("other", id);
    }
    EXPECT_TRUE(engine_->remove_network("other"));
}

TEST_F(PlugTest, TheWayOutAndTheResolverAreThoseOfWhatIsLeft) {
    const std::string id = run_on("aa", "app");
    connect("other", id);
    disconnect("app", id);
    auto told = change(id);
    ASSERT_THAT(told.routes, SizeIs(1));
    EXPECT_EQ(told.routes.front().gateway, "10.6.0.1");
    ASSERT_THAT(told.lines, SizeIs(2));
    EXPECT_THAT(told.lines[1].gone, ElementsAre("nameserver 10.5.0.1"));
    EXPECT_THAT(told.lines[1].come, ElementsAre("nameserver 10.6.0.1"));
    // Back, on the card of its first network and by its name.
    connect("app", id, {.gateway_priority = 1});
    told = change(id);
    EXPECT_EQ(told.interfaces[1].name, "eth0");
    EXPECT_EQ(told.interfaces[1].card, world_.find(id)->spec.machine.nics.front().mac);
    ASSERT_THAT(told.routes, SizeIs(1));
    EXPECT_EQ(told.routes.front().gateway, "10.5.0.1");
    // On none at all, and on one again.
    disconnect("other", id);
    disconnect("app", id);
    EXPECT_THAT(networks(id), IsEmpty());
    EXPECT_EQ(taps(), 0U);
    connect("other", id);
    EXPECT_EQ(change(id).routes.front().gateway, "10.6.0.1");
    ASSERT_TRUE(engine_->stop(id, {}));
    wait_for([&] { return world_.find(id) == nullptr; });
    wait_for([&] { return networks(id) == std::vector<std::string>{"other (not live)"}; });
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(attachment(id, "other").interface, "eth0");
}

TEST_F(PlugTest, PublishedPortsGoWhereTheContainerIs) {
    const std::string id = run_on("aa", "app", {{"80/tcp", "", "8080"}});
    connect("other", id);
    EXPECT_THAT(ports(id, "app"), ElementsAre("8080"));
    disconnect("app", id);
    EXPECT_THAT(ports(id, "other"), ElementsAre("8080"));
    EXPECT_EQ(ports_->held.lock()->at(id).v4, *network::Address::parse("10.6.0.2"));
    disconnect("other", id);
    EXPECT_TRUE(ports_->held.lock()->empty());
    connect("app", id);
    EXPECT_THAT(ports(id, "app"), ElementsAre("8080"));
    EXPECT_TRUE(ports_->held.lock()->at(id).v4);
}

TEST_F(PlugTest, WithoutACardItIsRefusedWithWhatToDo) {
    const std::string id = run_on("aa", "app");
    connect("other", id);
    make("third", "10.7.0.0/24");
    const auto full = engine_->connect_network("third", id, {});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(full.error().message(), HasSubstr("stop it, connect it and start it again"));
    ASSERT_TRUE(engine_->create_network({.name = "lan",
                                         .driver = "macvlan",
                                         .ranges = {{.subnet = "192.0.2.0/24"}},
                                         .options = {{"parent", "eth0"}}}));
    disconnect("other", id);
    EXPECT_THAT(engine_->connect_network("lan", id, {}).error().message(),
                HasSubstr("stop it, connect it and start it again"));
    EXPECT_THAT(networks(id), ElementsAre("app"));

    const std::string on_lan = run_on("bb", "lan");
    EXPECT_THAT(engine_->disconnect_network("lan", on_lan).error().message(),
                HasSubstr("stop it, disconnect it and start it again"));
    connect("app", on_lan);
    const std::string alone = run_on("cc", "none");
    EXPECT_EQ(engine_->connect_network("app", alone, {}).error().kind(), ErrorKind::forbidden);
}

TEST_F(PlugTest, AFailureLeavesNothing) {
    const std::string id = run_on("aa", "app", {{"80/tcp", "", "8080"}});
    const std::string spare = world_.find(id)->spec.machine.nics.back().tap;
    const auto is_as_before = [&] {
        EXPECT_THAT(networks(id), ElementsAre("app"));
        // What has left is cleared in the background.
        wait_for([&] { return taps() == 1 && endpoints() == 1; });
        EXPECT_EQ(taps(), 1U);
        EXPECT_TRUE(host_.links.state.lock()->waiting.contains(spare));
        EXPECT_EQ(endpoints(), 1U);
        EXPECT_THAT(ports(id, "app"), ElementsAre("8080"));
    };
    run_on("bb", "other");
    const auto taken = engine_->connect_network("other", id, {.ipv4 = "10.6.0.2"});
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().message(),
                HasSubstr("address 10.6.0.2 of network other is in use by container bb"));
    ASSERT_TRUE(engine_->remove("bb", {.force = true}));
    is_as_before();
    world_.on_change = [](const std::string&) -> Result<void> {
        return fail(ErrorKind::deadline, "the guest does not answer");
    };
    const auto silent = engine_->connect_network("other", id, {});
    ASSERT_FALSE(silent);
    EXPECT_THAT(silent.error().message(), HasSubstr("the guest does not answer"));
    is_as_before();
    world_.on_change = nullptr;
    connect("other", id);
    // It is off, whatever its guest says.
    world_.on_change = [](const std::string&) -> Result<void> {
        return fail(ErrorKind::deadline, "the guest does not answer");
    };
    disconnect("other", id);
    is_as_before();
}

TEST_F(PlugTest, AContainerThatEndsMeanwhileIsAsBefore) {
    const std::string id = run_on("aa", "app");
    world_.on_change = [&](const std::string&) -> Result<void> {
        world_.find(id)->finish("", 0);
        wait_for([&] { return world_.find(id) == nullptr; });
        wait_for([&] { return taps() == 0; });
        return fail(ErrorKind::unavailable, "the guest is gone");
    };
    EXPECT_FALSE(engine_->connect_network("other", id, {}));
    EXPECT_THAT(networks(id), ElementsAre("app (not live)"));
    EXPECT_EQ(endpoints(), 0U);
    world_.on_change = nullptr;
    ASSERT_TRUE(engine_->start(id));
    EXPECT_THAT(networks(id), ElementsAre("app"));
}

// Killed before it could keep what it began.
TEST_F(PlugTest, TheNextDaemonEndsWhatIsHalfDone) {
    const std::string comes = run_on("aa", "app");
    const std::string goes = run_on("bb", "app", {{"80/tcp", "", "8080"}});
    connect("other", goes);
    const auto& cards = world_.find(comes)->spec.machine.nics;
    const auto plugged = networks_->plug(*engine_->inspect(comes), "other", {}, cards);
    ASSERT_TRUE(plugged) << plugged.error().message();
    ASSERT_TRUE(networks_->plan_unplug(*engine_->inspect(goes), "app"));
    EXPECT_EQ(taps(), 4U);
    stop_daemon();
    start_daemon();
    EXPECT_THAT(networks(comes), ElementsAre("app"));
    EXPECT_EQ(change(comes).interfaces.front().card, cards.back().mac);
    EXPECT_THAT(networks(goes), ElementsAre("other"));
    EXPECT_THAT(ports(goes, "other"), ElementsAre("8080"));
    EXPECT_EQ(ports_->held.lock()->at(goes).v4,
              *network::Address::parse(attachment(goes, "other").ipv4));
    EXPECT_EQ(change(goes).routes.front().gateway, "10.6.0.1");
    EXPECT_EQ(taps(), 2U);
    EXPECT_EQ(waiting(), 2U);
    EXPECT_EQ(endpoints(), 2U);
    connect("other", comes);
    connect("app", goes);
}

TEST_F(PlugTest, TwoAtOnceGetOneCard) {
    const std::string id = run_on("aa", "app");
    make("third", "10.7.0.0/24");
    std::atomic<int> connected = 0;
    std::vector<std::jthread> callers;
    for (const char* network : {"other", "third"})
        callers.emplace_back([&, network] {
            if (engine_->connect_network(network, id, {})) ++connected;
        });
    callers.clear();
    EXPECT_EQ(connected, 1);
    EXPECT_EQ(taps(), 2U);
}

TEST_F(PlugTest, EventsTellOfIt) {
    const auto events =
        engine_->events(now() - std::chrono::hours(1), now() + std::chrono::hours(1));
    const std::string id = run_on("aa", "none");
    const std::string web = run_on("web", "app");
    connect("other", web);
    disconnect("other", web);
    std::vector<std::string> seen;
    while (seen.size() < 5) {
        const auto event = events->next({});
        ASSERT_TRUE(event && *event);
        if ((*event)->type == "network")
            seen.push_back((*event)->action + ' ' + (*event)->attributes.at("name"));
    }
    EXPECT_THAT(seen, ElementsAre("create app", "create other", "connect app", "connect other",
                                  "disconnect other"));
}

}  // namespace
}  // namespace hako::engine
