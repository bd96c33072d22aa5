#include <gmock/gmock.h>

#include "engine/fake_world.h"

namespace hako::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class NetworksTest : public EngineTest {
protected:
    NetworksTest() {
        // As shims do it.
        world_.on_ready = [this](const runtime::SandboxSpec& spec) -> Result<void> {
            for (const auto& nic : spec.machine.nics)
                if (nic.spare) host_.links.state.lock()->waiting.insert(nic.tap);
            return {};
        };
    }
    // On the default network.
    static CreateRequest request(const std::string& name) {
        CreateRequest request = EngineTest::request(name);
        request.host_config.network_mode = "";
        return request;
    }
    Network make(const std::string& name, const std::string& subnet = "") {
        NetworkRequest request{.name = name};
        if (!subnet.empty()) request.ranges = {{.subnet = subnet}};
        auto made = engine_->create_network(request);
        EXPECT_TRUE(made) << made.error().message();
        return made.value_or(Network());
    }
    std::string run_on(const std::string& name, const std::string& network,
                       const EndpointSettings& settings = {}) {
        CreateRequest wanted = request(name);
        wanted.host_config.network_mode = network;
        wanted.endpoints[network] = settings;
        const std::string id = create(wanted);
        auto started = engine_->start(id);
        EXPECT_TRUE(started) << started.error().message();
        return id;
    }
    Attachment attachment(const std::string& id) {
        const auto all = engine_->inspect(id)->networks;
        EXPECT_THAT(all, SizeIs(1));
        return all.empty() ? Attachment() : all.front();
    }
    void stop(const std::string& id) {
        ASSERT_TRUE(engine_->stop(id, {}));
        wait_for([&] { return world_.find(id) == nullptr; });
        wait_for([&] {
            return engine_->inspect(id)->networks.empty() ||
                   !engine_->inspect(id)->networks.front().live();
        });
    }
    const runtime::SandboxSpec& spec(const std::string& id) { return world_.find(id)->spec; }
    std::string file(const std::string& id, const std::string& path) {
        return spec(id).container.files.at(path);
    }
    std::size_t taps() { return host_.links.state.lock()->taps.size(); }
};

TEST_F(NetworksTest, AContainerIsOnTheDefaultNetworkWithAllThatItNeeds) {
    const std::string id = create(request("aa"));
    ASSERT_TRUE(engine_->start(id));
    const Attachment one = attachment(id);
    EXPECT_EQ(one.network_name, "bridge");
    EXPECT_EQ(one.ipv4, "172.17.0.2");
    ASSERT_THAT(spec(id).machine.nics, SizeIs(2)) << "its own, and one for a network that may come";
    EXPECT_EQ(spec(id).machine.nics.front().mac, vmm::kFirstCardMac) << "as a template knows it";
    EXPECT_TRUE(spec(id).machine.nics.back().spare);
    EXPECT_TRUE(host_.links.state.lock()->taps.contains(spec(id).machine.nics.front().tap));
    const auto& network = spec(id).network;
    ASSERT_THAT(network.interfaces, SizeIs(1));
    EXPECT_THAT(network.interfaces.front().addresses, ElementsAre("172.17.0.2/16"));
    EXPECT_EQ(network.interfaces.front().mac, one.mac);
    EXPECT_EQ(network.interfaces.front().card, vmm::kFirstCardMac);
    ASSERT_THAT(network.routes, SizeIs(1));
    EXPECT_EQ(network.routes.front().gateway, "172.17.0.1");
    EXPECT_THAT(file(id, "/etc/resolv.conf"),
                HasSubstr("nameserver 172.17.0.1\nsearch example.org"));
    EXPECT_THAT(file(id, "/etc/hosts"), HasSubstr("172.17.0.2\t" + id.substr(0, 12)));
    EXPECT_THAT(host_.firewall.applied.lock()->state.endpoints, SizeIs(1));
    stop(id);
    const auto rules = [&] { return host_.firewall.applied.lock()->state.endpoints.size(); };
    wait_for([&] { return taps() == 0 && rules() == 0; });
    EXPECT_EQ(taps(), 0U);
    EXPECT_EQ(rules(), 0U);
}

TEST_F(NetworksTest, OneThatStartsAgainAtOnceKeepsItsTapAndRules) {
    const std::string id = run_on("aa", "bridge");
    const std::string other = run_on("bb", "bridge");
    stop(other);
    stop(id);
    ASSERT_TRUE(engine_->start(id));
    const std::string tap = spec(id).machine.nics.front().tap;
    // What both left is cleared meanwhile.
    wait_for([&] { return taps() == 1; });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(host_.links.state.lock()->taps.contains(tap));
    const auto endpoints = host_.firewall.applied.lock()->state.endpoints;
    ASSERT_THAT(endpoints, SizeIs(1));
    EXPECT_EQ(endpoints.front().container, id);
}

TEST_F(NetworksTest, NoTapIsThereLongerThanItsRules) {
    const std::string id = run_on("aa", "bridge");
    const std::string tap = spec(id).machine.nics.front().tap;
    stop(id);
    run_on("bb", "bridge");  // with rules of its own only
    EXPECT_THAT(host_.firewall.applied.lock()->state.endpoints, SizeIs(1));
    EXPECT_FALSE(host_.links.state.lock()->taps.contains(tap));
}

TEST_F(NetworksTest, WithoutANetworkTheHostStaysAsItIs) {
    CreateRequest wanted = request("aa");
    wanted.host_config.network_mode = "none";
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_THAT(spec(id).machine.nics, SizeIs(0));
    EXPECT_EQ(attachment(id).network_name, "none");
    EXPECT_THAT(*engine_->list({.networks = {"none"}}), SizeIs(1));
    EXPECT_THAT(*engine_->list({.networks = {"bridge"}}), SizeIs(0));
    EXPECT_TRUE(host_.links.state.lock()->bridges.empty());
    EXPECT_EQ(host_.firewall.applied.lock()->times, 0);

    wanted.name = "bb";
    wanted.endpoints["none"].ipv4 = "172.17.0.9";
    EXPECT_THAT(engine_->create(wanted).error().message(),
                HasSubstr("user specified IP address is supported on user defined networks only"));
}

TEST_F(NetworksTest, NamesAndAliasesAreThoseOfContainersThatRun) {
    const Network network = make("app");
    const std::string id = run_on("web", "app", {.aliases = {"www"}});
    const auto names = [&] {
        auto table = host_.names.table.lock();
        std::vector<std::string> all;
        for (const auto& host : (*table)[network.id].hosts)
            all.insert(all.end(), host.names.begin(), host.names.end());
        return all;
    };
    EXPECT_THAT(names(), ElementsAre("web", "www", id.substr(0, 12)));
    ASSERT_TRUE(engine_->rename(id, "site"));
    EXPECT_THAT(names(), ElementsAre("site", "www", id.substr(0, 12)));
    stop(id);
    EXPECT_THAT(names(), SizeIs(0));
}

TEST_F(NetworksTest, LinksAreNamesForOneContainer) {
    const Network network = make("app");
    const std::string web = run_on("web", "app");
    run_on("db", "app", {.links = {"web:Site", web + ":other", "web"}});
    auto table = host_.names.table.lock();
    std::map<std::string, std::map<std::string, std::string>> links;
    for (const auto& host : (*table)[network.id].hosts) links[host.names.front()] = host.links;
    EXPECT_TRUE(links["web"].empty());
    EXPECT_EQ(links["db"], (std::map<std::string, std::string>{
                               {"site", "web"}, {"other", web.substr(0, 12)}, {"web", "web"}}));
}

TEST_F(NetworksTest, StaticAddressesAreGivenAndRefused) {
    make("app", "10.5.0.0/24");
    const EndpointSettings settings{.ipv4 = "10.5.0.77", .mac = "02:00:00:00:00:07"};
    EXPECT_EQ(attachment(run_on("aa", "app", settings)).ipv4, "10.5.0.77");
    CreateRequest second = request("bb");
    second.host_config.network_mode = "app";
    second.endpoints["app"] = {.ipv4 = "10.5.0.77"};
    const auto taken = engine_->start(create(second));
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().message(), HasSubstr("10.5.0.77"));
    second.name = "none";  // no beginning of an id
    second.endpoints["app"].ipv4 = "10.6.0.1";
    EXPECT_EQ(engine_->create(second).error().kind(), ErrorKind::invalid);
    EXPECT_EQ(engine_->inspect("none").error().kind(), ErrorKind::not_found);
    second.endpoints["app"] = {.mac = "01:00:00:00:00:01"};
    EXPECT_EQ(engine_->create(second).error().kind(), ErrorKind::invalid);
}

TEST_F(NetworksTest, TheDefaultNetworkHasTheFirstSubnetWhateverComesFirst) {
    EXPECT_EQ(make("one").ranges.front().subnet, "172.18.0.0/16");
    EXPECT_EQ(engine_->inspect_network("bridge")->ranges.front().subnet, "172.17.0.0/16");
}

TEST_F(NetworksTest, SubnetsDoNotOverlap) {
    make("one", "10.5.0.0/16");
    NetworkRequest request{.name = "two", .ranges = {{.subnet = "10.5.1.0/24"}}};
    EXPECT_EQ(engine_->create_network(request).error().kind(), ErrorKind::conflict);
    request.ranges = {{.subnet = "10.6.0.0/33"}};
    EXPECT_EQ(engine_->create_network(request).error().kind(), ErrorKind::invalid);
    request = {.name = "one"};
    EXPECT_EQ(engine_->create_network(request).error().message(),
              "network with name one already exists");
    request = {.name = "bridge"};
    EXPECT_EQ(engine_->create_network(request).error().kind(), ErrorKind::forbidden);
    host_.links.state.lock()->routes = {*network::Cidr::parse("172.18.0.0/16")};
    const Network chosen = make("three");
    EXPECT_NE(chosen.ranges.front().subnet, "172.18.0.0/16");
}

TEST_F(NetworksTest, ANetworkInUseStaysAndAnUnusedOneGoesWithItsBridge) {
    make("app");
    const std::string id = run_on("web", "app");
    const auto refused = engine_->remove_network("app");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::forbidden);
    EXPECT_THAT(refused.error().message(), HasSubstr("web"));
    EXPECT_THAT(*engine_->prune_networks({}), SizeIs(0));
    stop(id);
    EXPECT_THAT(*engine_->prune_networks({}), ElementsAre("app"));
    EXPECT_TRUE(host_.links.state.lock()->bridges.empty());
    const auto started = engine_->start(id);
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message(), HasSubstr("network app not found"));
    EXPECT_EQ(taps(), 0U);
}

// As docker-compose 1.29 does it before it starts a container.
TEST_F(NetworksTest, ACreatedContainerIsDisconnectedAndConnectedAgain) {
    make("app");
    CreateRequest wanted = request("web");
    wanted.host_config.network_mode = "app";
    wanted.endpoints["app"] = {};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->disconnect_network("app", id));
    EXPECT_FALSE(engine_->disconnect_network("app", id));
    ASSERT_TRUE(engine_->connect_network("app", id, {.aliases = {"web"}}));
    // Vagrant does it before each start.
    EXPECT_TRUE(engine_->connect_network("app", id, {}));
    EXPECT_EQ(engine_->connect_network("nope", id, {}).error().message(), "network nope not found");
    ASSERT_TRUE(engine_->start(id));
    EXPECT_THAT(attachment(id).wanted.aliases, ElementsAre("web"));
    EXPECT_EQ(engine_->connect_network("app", id, {}).error().kind(), ErrorKind::forbidden);
}

TEST_F(NetworksTest, AContainerIsHelpedOffANetworkThatWasRemoved) {
    CreateRequest wanted = request("web");
    wanted.host_config.network_mode = "nope";
    const auto refused = engine_->create(wanted);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::invalid) << "not_found means a missing image";
    EXPECT_EQ(refused.error().message(), "network nope not found");
    for (const bool disconnects : {false, true}) {
        make("gone");
        make("app");
        wanted.host_config.network_mode = "gone";
        const std::string id = create(wanted);
        ASSERT_TRUE(engine_->remove_network("gone"));
        EXPECT_THAT(engine_->start(id).error().message(), HasSubstr("connect the container"));
        if (disconnects) {
            EXPECT_TRUE(engine_->disconnect_network("gone", id));
        }
        ASSERT_TRUE(engine_->connect_network("app", id, {}));
        const auto started = engine_->start(id);
        ASSERT_TRUE(started) << started.error().message();
        EXPECT_EQ(attachment(id).network_name, "app");
        stop(id);
        ASSERT_TRUE(engine_->remove(id, {}));
        ASSERT_TRUE(engine_->remove_network("app"));
    }
}

TEST_F(NetworksTest, WhatJoinsANetworkHasItsNames) {
    make("app", "10.5.0.0/24");
    const std::string box = run_on("box", "app");
    CreateRequest wanted = request("guest");
    wanted.host_config.network_mode = "container:box";
    const std::string guest = create(wanted);
    wanted.name = "third";
    wanted.host_config.network_mode = "container:guest";
    const std::string third = create(wanted);
    for (const auto& id : {guest, third}) {
        ASSERT_TRUE(engine_->start(id));
        for (const char* path : {"/etc/hosts", "/etc/resolv.conf"})
            EXPECT_EQ(file(id, path), file(box, path)) << path;
    }
    EXPECT_THAT(file(guest, "/etc/hosts"), HasSubstr("10.5.0.2\t" + box.substr(0, 12)));
}

TEST_F(NetworksTest, AFileOfTheUsersOwnStays) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    ASSERT_TRUE(write_file(folder->path() / "hosts", "192.0.2.1 here\n"));
    CreateRequest wanted = request("web");
    wanted.host_config.mounts = {{.type = MountType::bind,
                                  .source = (folder->path() / "hosts").native(),
                                  .target = "/etc/hosts"}};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_FALSE(spec(id).container.files.contains("/etc/hosts"));
    EXPECT_TRUE(spec(id).container.files.contains("/etc/resolv.conf"));
}

TEST_F(NetworksTest, OptionsAreAsDockerReadsThem) {
    const auto with = [&](const std::string& key, const std::string& value) {
        return engine_->create_network(
            {.name = "n" + value, .options = {{"com.docker.network.bridge." + key, value}}});
    };
    EXPECT_THAT(with("enable_icc", "maybe").error().message(), HasSubstr("neither true nor false"));
    EXPECT_THAT(with("host_binding_ipv4", "here").error().message(),
                HasSubstr("host_binding_ipv4"));
    EXPECT_THAT(with("gateway_mode_ipv4", "routed").error().message(),
                HasSubstr("\"routed\" is not offered"));
    EXPECT_THAT(with("inhibit_ipv4", "true").error().message(), HasSubstr("is not offered"));
    EXPECT_TRUE(with("gateway_mode_ipv6", "nat"));
    EXPECT_TRUE(with("inhibit_ipv4", "false"));
    const auto apart = with("enable_icc", "0");
    ASSERT_TRUE(apart) << apart.error().message();
    run_on("alone", apart->name);
    const auto networks = host_.firewall.applied.lock()->state.networks;
    EXPECT_THAT(networks, Contains(testing::Field(&network::NetworkConfig::icc, false)));

    const auto local = with("host_binding_ipv4", "127.0.0.1");
    ASSERT_TRUE(local) << local.error().message();
    CreateRequest wanted = request("web");
    wanted.host_config.network_mode = local->name;
    wanted.host_config.port_bindings = {{"80/tcp", "", ""}, {"81/tcp", "192.0.2.1", ""}};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(attachment(id).ports.front().host_ip, "127.0.0.1");
    EXPECT_EQ(attachment(id).ports.back().host_ip, "192.0.2.1");
}

// As an older hako, which looked less closely, may have left one.
TEST_F(NetworksTest, AStoredOptionThatMakesNoSenseStopsNoDaemon) {
    const auto made = engine_->create_network({.name = "odd"});
    ASSERT_TRUE(made) << made.error().message();
    Network odd = *made;
    odd.options["com.docker.network.bridge.enable_icc"] = "maybe";
    stop_daemon();
    {
        const auto database = store::Database::open(layout_.database()).value();
        auto store = NetworkStore::open(*database).value();
        ASSERT_TRUE(store.erase(odd.id));
        ASSERT_TRUE(store.insert(odd));
    }
    start_daemon();
    EXPECT_THAT(run_on("on-it", "odd"), testing::Not(testing::IsEmpty()));
}

TEST_F(NetworksTest, TheDefaultOneTellsOfItsBridge) {
    const auto found = engine_->inspect_network("bridge").value();
    EXPECT_EQ(found.options.at("com.docker.network.bridge.name"), network::bridge_name(found.id));
    ASSERT_TRUE(engine_->create_network({.name = "app"}));
    EXPECT_TRUE(engine_->inspect_network("app")->options.empty());
}

TEST_F(NetworksTest, AParentThatIsNotThereIsToldAtOnce) {
    host_.links.state.lock()->absent.insert("eth9");
    const auto refused = engine_->create_network({.name = "lan",
                                                  .driver = "macvlan",
                                                  .ranges = {{.subnet = "192.0.2.0/24"}},
                                                  .options = {{"parent", "eth9"}}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::not_found);
    EXPECT_FALSE(engine_->inspect_network("lan"));
}

TEST_F(NetworksTest, ABridgeHasTheNameThatItIsGiven) {
    const auto named = [&](const std::string& network, const std::string& bridge) {
        return engine_->create_network(
            {.name = network, .options = {{"com.docker.network.bridge.name", bridge}}});
    };
    for (const char* bad : {"br-0123456789abc", "a b", "a/b", "..", "hk-0123"}) {
        const auto refused = named("bad", bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().kind(), ErrorKind::invalid);
        EXPECT_THAT(refused.error().message(), HasSubstr("com.docker.network.bridge.name"));
    }
    ASSERT_TRUE(named("app", "br-app"));
    const auto twice = named("other", "br-app");
    ASSERT_FALSE(twice);
    EXPECT_THAT(twice.error().message(), HasSubstr("network app has the bridge br-app already"));
    const std::string id = run_on("aa", "app");
    EXPECT_TRUE(host_.links.state.lock()->bridges.contains("br-app"));
    EXPECT_EQ(host_.firewall.applied.lock()->state.networks.front().bridge, "br-app");
    stop(id);
    ASSERT_TRUE(engine_->remove_network("app"));
    EXPECT_TRUE(host_.links.state.lock()->bridges.empty());
}

TEST_F(NetworksTest, PortsAreHeldBeforeTheMachineStarts) {
    CreateRequest wanted = request("web");
    wanted.host_config.port_bindings = {{"80/tcp", "127.0.0.1", "8080"}, {"81/tcp", "", ""}};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_EQ(attachment(id).ports.front().host_port, "8080");
    EXPECT_NE(attachment(id).ports.back().host_port, "");
    EXPECT_TRUE(ports_->held.lock()->at(id).v4);
    wanted.name = "other";
    const int spawns = world_.spawns;
    const auto refused = engine_->start(create(wanted));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("web"));
    EXPECT_EQ(world_.spawns, spawns);
    EXPECT_EQ(taps(), 1U);
    stop(id);
    EXPECT_TRUE(ports_->held.lock()->empty());
    wanted.name = "third";
    wanted.host_config.port_bindings = {{"0/tcp", "", ""}};
    EXPECT_EQ(engine_->create(wanted).error().kind(), ErrorKind::invalid);
}

TEST_F(NetworksTest, AllExposedPortsArePublishedWhereThatIsAsked) {
    CreateRequest wanted = request("web");
    wanted.host_config.publish_all_ports = true;
    wanted.config.exposed_ports = {"80/tcp", "53/udp"};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    EXPECT_THAT(attachment(id).ports, SizeIs(3));  // with the image's
}

TEST_F(NetworksTest, WhatTheUserNamesIsFirstInTheHostsFile) {
    make("app", "10.5.0.0/24");
    run_on("db", "app");
    CreateRequest wanted = request("web");
    wanted.host_config.network_mode = "app";
    wanted.host_config.extra_hosts = {"host:host-gateway", "x:192.0.2.9"};
    wanted.host_config.links = {"db:store"};
    wanted.endpoints["app"].links = {"db:store"};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    const std::string hosts = file(id, "/etc/hosts");
    EXPECT_THAT(hosts, HasSubstr("10.5.0.1\thost\n192.0.2.9\tx\n10.5.0.3\t"));
    EXPECT_THAT(hosts, testing::Not(HasSubstr("store"))) << "it would grow old: DNS tells links";
    wanted = request("other");
    wanted.host_config.links = {"nobody:store"};
    EXPECT_EQ(engine_->create(wanted).error().message(),
              "could not get container for nobody: No such container: nobody");
    wanted.host_config.links = {"db:store"};
    EXPECT_THAT(engine_->create(wanted).error().message(),
                HasSubstr("Cannot link to db, as it does not belong to the default network"));
    ASSERT_TRUE(engine_->connect_network("bridge", "db", {}));
    EXPECT_TRUE(engine_->create(wanted));
}

TEST_F(NetworksTest, AnInternalNetworkHasNoWayOut) {
    ASSERT_TRUE(engine_->create_network({.name = "inner", .internal = true}));
    const std::string id = run_on("aa", "inner");
    EXPECT_THAT(spec(id).network.routes, SizeIs(0));
}

// Killed: machines go on, ports and names are the next daemon's to serve again.
TEST_F(NetworksTest, TheNextDaemonServesWhatRunsAndRemovesTheRest) {
    make("app");
    CreateRequest wanted = request("web");
    wanted.host_config.network_mode = "app";
    wanted.host_config.port_bindings = {{"80/tcp", "", ""}};
    const std::string id = create(wanted);
    ASSERT_TRUE(engine_->start(id));
    const std::string lost = run_on("lost", "app");
    const Attachment before = attachment(id);
    stop_daemon();
    world_.find(lost)->lose();
    host_.firewall.applied.lock()->state = {};
    host_.links.state.lock()->taps["hktstray"] = {.name = "hktstray", .bridge = "none"};
    *host_.names.table.lock() = {};
    start_daemon();
    EXPECT_EQ(attachment(id).ipv4, before.ipv4);
    EXPECT_EQ(ports_->held.lock()->at(id).bindings.front().host_port,
              std::stoi(before.ports.front().host_port));
    EXPECT_EQ(taps(), 1U);
    EXPECT_THAT(host_.firewall.applied.lock()->state.endpoints, SizeIs(1));
    EXPECT_THAT((*host_.names.table.lock())[before.network_id].hosts, SizeIs(1));
    EXPECT_FALSE(attachment(lost).live());
    // Its address is free again, that of the other is not.
    EXPECT_NE(attachment(run_on("new", "app")).ipv4, before.ipv4);
}

TEST_F(NetworksTest, EventsTellOfNetworks) {
    const auto events =
        engine_->events(now() - std::chrono::hours(1), now() + std::chrono::hours(1));
    make("app");
    run_on("web", "app");
    std::vector<std::string> actions;
    while (actions.size() < 2) {
        const auto event = events->next({});
        ASSERT_TRUE(event && *event);
        if ((*event)->type == "network") actions.push_back((*event)->action);
    }
    EXPECT_THAT(actions, ElementsAre("create", "connect"));
}

TEST_F(NetworksTest, NoneAndHostAreListedAndStay) {
    const std::string id = create(request("aa"));
    std::vector<std::string> listed;
    const auto networks = engine_->list_networks({});
    for (const auto& network : *networks) listed.push_back(network.name + " " + network.driver);
    EXPECT_THAT(listed, ElementsAre("bridge bridge", "host host", "none null"));
    EXPECT_THAT(*engine_->list_networks({.types = {"custom"}}), SizeIs(0));
    for (const std::string name : {"none", "host"}) {
        const auto found = engine_->inspect_network(name);
        ASSERT_TRUE(found) << name;
        EXPECT_EQ(engine_->inspect_network(found->id.substr(0, 12))->name, name);
        for (const auto& reference : {name, found->id}) {
            const auto removed = engine_->remove_network(reference);
            ASSERT_FALSE(removed) << reference;
            EXPECT_EQ(removed.error().message(),
                      name + " is a pre-defined network and cannot be removed");
            const auto connected = engine_->connect_network(reference, id, {});
            ASSERT_FALSE(connected) << reference;
            EXPECT_EQ(connected.error().kind(), ErrorKind::forbidden);
        }
    }
    EXPECT_THAT(*engine_->prune_networks({}), SizeIs(0));
}

class HostModeTest : public NetworksTest {
protected:
    void listen(const std::string& id, std::vector<std::string> ports) {
        const auto sandbox = world_.find(id);
        const std::lock_guard lock(sandbox->mutex);
        sandbox->listening = std::move(ports);
    }
    std::vector<std::string> published(const std::string& id) {
        std::vector<std::string> ports;
        for (const auto& port : attachment(id).ports)
            ports.push_back(port.container_port + " at " + port.host_port);
        return ports;
    }
    void wait_for_ports(const std::string& id, const std::vector<std::string>& wanted) {
        wait_for([&] { return published(id) == wanted; });
        std::size_t forwarded = 0;
        for (const auto& [key, held] : *ports_->held.lock()) forwarded += held.v4 ? 1 : 0;
        EXPECT_EQ(forwarded, wanted.size());
    }
};

TEST_F(HostModeTest, WhatListensIsPublishedAsLongAsItDoes) {
    const std::string id = run_on("aa", "host");
    EXPECT_EQ(attachment(id).network_name, "host");
    EXPECT_FALSE(attachment(id).ipv4.empty()) << "on the default network";
    EXPECT_THAT(published(id), SizeIs(0));
    listen(id, {"80/tcp"});
    wait_for_ports(id, {"80/tcp at 80"});
    EXPECT_THAT(host_.firewall.applied.lock()->state.endpoints.front().ports, SizeIs(1));
    listen(id, {"80/tcp", "53/udp"});
    wait_for_ports(id, {"80/tcp at 80", "53/udp at 53"});
    listen(id, {"53/udp"});
    wait_for_ports(id, {"53/udp at 53"});
    stop(id);
    EXPECT_TRUE(ports_->held.lock()->empty());
}

TEST_F(HostModeTest, APortThatIsTakenIsPublishedOnceItIsFree) {
    const std::string first = run_on("aa", "host");
    const std::string second = run_on("bb", "host");
    listen(first, {"80/tcp"});
    wait_for_ports(first, {"80/tcp at 80"});
    listen(second, {"80/tcp", "81/tcp"});
    wait_for([&] { return published(second) == std::vector<std::string>{"81/tcp at 81"}; });
    listen(first, {});
    wait_for([&] { return published(second).size() == 2; });
}

TEST_F(HostModeTest, ANewDaemonPublishesThemAgain) {
    const std::string id = run_on("aa", "host");
    listen(id, {"80/tcp"});
    wait_for_ports(id, {"80/tcp at 80"});
    stop_daemon();
    start_daemon();
    wait_for_ports(id, {"80/tcp at 80"});
}

TEST_F(HostModeTest, IsOneNetworkAndNoOther) {
    make("app");
    CreateRequest wanted = request("aa");
    wanted.host_config.network_mode = "host";
    wanted.endpoints["app"] = {};
    const auto created = engine_->create(wanted);
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().message(), HasSubstr("conflicting options"));
    const std::string id = run_on("bb", "host");
    stop(id);
    const auto connected = engine_->connect_network("app", id, {});
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().kind(), ErrorKind::forbidden);
    const auto disconnected = engine_->disconnect_network("bridge", id);
    ASSERT_FALSE(disconnected);
    EXPECT_EQ(disconnected.error().kind(), ErrorKind::forbidden);
}

}  // namespace
}  // namespace hako::engine
