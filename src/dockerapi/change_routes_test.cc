#include <algorithm>

#include "dockerapi/api_fixture.h"

namespace hako::dockerapi {
namespace {

using ChangeRoutes = ApiTest;

TEST_F(ChangeRoutes, PauseUnpauseStopWithASignal) {
    containers_.add("app");
    EXPECT_EQ(outcome("POST", "/containers/app/pause"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/unpause"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/stop?t=3&signal=HUP"), "204");
    EXPECT_EQ(outcome("POST", "/containers/none/pause"), "404 No such container: none");
    EXPECT_EQ(containers_.calls(),
              (std::vector<std::string>{"pause app", "unpause app", "stop(3HUP) app"}));
}

TEST_F(ChangeRoutes, UpdateTakesWhatIsSet) {
    containers_.add("app");
    const auto response =
        send("POST", "/containers/app/update",
             R"({"Memory":67108864,"NanoCpus":0,"PidsLimit":-1,"BlkioWeight":10,"KernelMemory":0,
                 "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(parse_json(response.body)->at("Warnings").size(), 2U);
    const engine::UpdateRequest& request = containers_.last_update;
    EXPECT_EQ(request.memory, 64 * kMiB);
    EXPECT_FALSE(request.nano_cpus);
    EXPECT_EQ(request.pids_limit, -1);
    EXPECT_EQ(request.restart_policy, "on-failure");
    EXPECT_EQ(request.restart_retries, 2);
    EXPECT_EQ(parse_json(request.host_config_json)->size(), 4U) << request.host_config_json;
    EXPECT_EQ(outcome("POST", "/containers/app/update", R"({"Memory":"1g"})").substr(0, 16),
              "400 field Memory");
}

TEST_F(ChangeRoutes, PruneTellsWhatIsGone) {
    const auto response =
        send("POST", "/containers/prune?filters=%7B%22label%21%22%3A%5B%22keep%22%5D%7D");
    EXPECT_EQ(response.body, R"({"ContainersDeleted":["a"],"SpaceReclaimed":7})"
                             "\n");
    EXPECT_EQ(containers_.last_prune.without, std::vector<std::string>{"keep"});
    EXPECT_EQ(send("POST", "/containers/prune?filters=%7B%22x%22%3A%5B%5D%7D").status, 400);
}

TEST_F(ChangeRoutes, StatsTellWhatDockersClientComputesWith) {
    auto& app = containers_.add("app");
    Json json = get("/containers/app/stats?stream=0");
    EXPECT_EQ(json["read"], "0001-01-01T00:00:00Z") << "it does not run";
    app.state.status = engine::Status::running;
    containers_.figures = guest::Statistics{.cpu_usage_us = 5,
                                            .memory_usage_bytes = 100,
                                            .memory_limit_bytes = 1000,
                                            .memory_stat = {{"inactive_file", 7}},
                                            .pids_current = 3,
                                            .block_read_bytes = 11,
                                            .system_cpu_us = 50,
                                            .online_cpus = 2};
    json = get("/containers/app/stats?stream=0&one-shot=1");
    EXPECT_EQ(json["name"], "/app");
    EXPECT_EQ(json["cpu_stats"]["cpu_usage"]["total_usage"], 5000);
    EXPECT_EQ(json["cpu_stats"]["system_cpu_usage"], 50000);
    EXPECT_EQ(json["cpu_stats"]["online_cpus"], 2);
    EXPECT_FALSE(json["precpu_stats"].contains("system_cpu_usage"));
    EXPECT_EQ(json["memory_stats"]["stats"]["inactive_file"], 7);
    EXPECT_EQ(json["pids_stats"]["current"], 3);
    EXPECT_EQ(json["blkio_stats"]["io_service_bytes_recursive"][0]["value"], 11);
    json = get("/containers/app/stats?stream=0");
    EXPECT_EQ(json["precpu_stats"]["system_cpu_usage"], 50000) << "two looks";
    EXPECT_EQ(send("GET", "/containers/app/stats?stream=1&one-shot=1").status, 400);
    EXPECT_EQ(send("GET", "/containers/none/stats").status, 404);
}

TEST_F(ChangeRoutes, EventsAreFilteredLines) {
    const auto publish = [&](const char* action, const char* name) {
        system_.log.publish({.type = "container",
                             .action = action,
                             .actor = std::string(64, 'a'),
                             .attributes = {{"name", name}, {"image", "busybox:1"}, {"x", "y"}}});
    };
    publish("create", "one");
    publish("exec_start: ls", "one");
    publish("create", "two");
    system_.log.publish({.type = "image",
                         .action = "pull",
                         .actor = "busybox:1",
                         .attributes = {{"name", "busybox"}}});
    const auto count = [&](std::string_view filters) {
        const auto moment = now().time_since_epoch().count();
        http::Query query{
            {"since", "1"},
            {"until", fmt::format("{}.{:09}", moment / 1'000'000'000, moment % 1'000'000'000)}};
        if (!filters.empty()) query.add("filters", filters);
        const auto response = send("GET", http::make_target("/events", query));
        EXPECT_EQ(response.status, 200) << response.body;
        return std::ranges::count(response.body, '\n');
    };
    EXPECT_EQ(count(""), 4);
    EXPECT_EQ(count(R"({"container":["one"]})"), 2);
    EXPECT_EQ(count(R"({"container":["aaaa"],"event":["create"]})"), 2);
    EXPECT_EQ(count(R"({"event":["exec_start"]})"), 1);
    EXPECT_EQ(count(R"({"type":["image"]})"), 1);
    EXPECT_EQ(count(R"({"image":["busybox"]})"), 4);
    EXPECT_EQ(count(R"({"label":["x=y"]})"), 3);
    EXPECT_EQ(count(R"({"label":["x=z"]})"), 0);
    EXPECT_EQ(count(R"({"network":["n"]})"), 0);
    EXPECT_EQ(outcome("GET", "/events?filters=%7B%22a%22%3A%5B%5D%7D"), "400 invalid filter 'a'");
    EXPECT_EQ(send("GET", "/events?since=5&until=4").status, 400);
    const auto pull = send("GET", "/events?since=1&until=4&filters=");
    EXPECT_EQ(pull.body, "") << "nothing was that early";
}

}  // namespace
}  // namespace hako::dockerapi
