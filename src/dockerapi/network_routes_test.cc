#include <gmock/gmock.h>

#include "dockerapi/api_fixture.h"
#include "dockerapi/network_json.h"

namespace hako::dockerapi {
namespace {

using ::testing::ElementsAre;

TEST_F(ApiTest, ANetworkIsMadeToldAndRemoved) {
    EXPECT_EQ(get("/networks"), Json::array());
    EXPECT_EQ(outcome("GET", "/networks/x"), "404 network x not found");
    const auto made = send("POST", "/networks/create", R"({"Name":"app","Labels":{"a":"b"},
        "CheckDuplicate":true,"IPAM":{"Driver":"default","Config":[{"Subnet":"10.1.0.0/16",
        "IPRange":"10.1.2.0/24","Gateway":"10.1.0.9","AuxiliaryAddresses":{"x":"10.1.0.3"}}]},
        "Options":{"com.docker.network.driver.mtu":"1400"},"Internal":true})");
    ASSERT_EQ(made.status, 201) << made.body;
    const Json network = get("/networks/app");
    EXPECT_EQ(network["Driver"], "bridge");
    EXPECT_EQ(network["Internal"], true);
    EXPECT_EQ(network["Labels"]["a"], "b");
    EXPECT_EQ(network["IPAM"]["Config"][0],
              parse_json(R"({"Subnet":"10.1.0.0/16","IPRange":"10.1.2.0/24",
                  "Gateway":"10.1.0.9","AuxiliaryAddresses":{"x":"10.1.0.3"}})")
                  .value());
    EXPECT_EQ(outcome("POST", "/networks/create", R"({"Name":"app"})"),
              "409 network with name app already exists");
    EXPECT_EQ(send("DELETE", "/networks/app").status, 204);
    EXPECT_EQ(outcome("DELETE", "/networks/app"), "404 network app not found");
}

TEST_F(ApiTest, WhatIsWrongWithANetworkIsNamed) {
    for (const auto* body : {R"({"Name":1})", R"({"IPAM":{"Driver":"mine"}})",
                             R"({"IPAM":{"Config":[{"Gateway":"10.0.0.1"}]}})", "[]"})
        EXPECT_EQ(send("POST", "/networks/create", body).status, 400) << body;
    EXPECT_EQ(send("POST", "/networks/create", R"({"Name":"x","Ingress":true})").status, 501);
    EXPECT_EQ(send("POST", "/networks/create", R"({"Name":"x","Scope":"swarm"})").status, 501);
    EXPECT_EQ(send("GET", R"(/networks?filters={"nonsense":["x"]})").status, 400);
    EXPECT_EQ(send("GET", R"(/networks?filters={"type":["x"]})").status, 400);
    EXPECT_EQ(send("POST", "/networks/n/connect", "{}").status, 400);
}

TEST_F(ApiTest, ContainersConnectAndDisconnect) {
    EXPECT_EQ(send("POST", "/networks/n/connect",
                   R"({"Container":"c","EndpointConfig":{"Aliases":["a"],
                       "IPAMConfig":{"IPv4Address":"10.0.0.2"},"Links":null}})")
                  .status,
              200);
    EXPECT_EQ(send("POST", "/networks/n/disconnect", R"({"Container":"c","Force":false})").status,
              200);
    auto state = networks_.state.lock();
    EXPECT_THAT(state->calls, ElementsAre("connect n c", "disconnect n c"));
    EXPECT_THAT(state->settings.aliases, ElementsAre("a"));
    EXPECT_EQ(state->settings.ipv4, "10.0.0.2");
}

TEST_F(ApiTest, PruneTellsWhichNetworksWent) {
    EXPECT_EQ(send("POST", "/networks/create", R"({"Name":"app"})").status, 201);
    const auto pruned = send("POST", R"(/networks/prune?filters={"label!":["keep"]})");
    EXPECT_EQ(parse_json(pruned.body).value()["NetworksDeleted"], Json::array({"app"}));
    EXPECT_THAT(networks_.state.lock()->filter.without_labels, ElementsAre("keep"));
}

TEST(NetworkJson, AContainerTellsItsNetworksAndPorts) {
    engine::Container container;
    container.id = std::string(64, 'a');
    container.name = "web";
    container.state.status = engine::Status::running;
    container.config.exposed_ports = {"53/udp"};
    container.networks = {{.network_id = "n",
                           .network_name = "app",
                           .wanted = {.aliases = {"www"}},
                           .endpoint_id = "e",
                           .ipv4 = "10.0.0.2",
                           .gateway = "10.0.0.1",
                           .mac = "02:00:00:00:00:01",
                           .prefix = 24,
                           .ports = {{"80/tcp", "0.0.0.0", "8080"}}}};
    const Json settings = network_settings(container, kMaxVersion);
    EXPECT_EQ(
        settings["Ports"],
        parse_json(R"({"53/udp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]})").value());
    const Json& app = settings["Networks"]["app"];
    EXPECT_EQ(app["IPAddress"], "10.0.0.2");
    EXPECT_EQ(app["IPPrefixLen"], 24);
    EXPECT_EQ(app["Aliases"], Json::array({"www"}));
    container.config.hostname = "inside";
    EXPECT_EQ(network_settings(container, {1, 44})["Networks"]["app"]["Aliases"],
              Json::array({"www", "aaaaaaaaaaaa", "inside"}));
    EXPECT_EQ(settings["IPAddress"], "");  // of the default network only
    const Json list = port_summaries(container);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[1]["PublicPort"], 8080);
    container.state.status = engine::Status::exited;
    EXPECT_EQ(network_settings(container, kMaxVersion)["Ports"], Json::object());
}

}  // namespace
}  // namespace hako::dockerapi
