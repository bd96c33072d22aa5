#include "dockerapi/api.h"

#include "dockerapi/api_fixture.h"

namespace hako::dockerapi {
namespace {

TEST_F(ApiTest, PingTellsTheVersions) {
    for (const char* method : {"GET", "HEAD"}) {
        const auto response = send(method, "/_ping");
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, std::string(method) == "GET" ? "OK" : "");
        EXPECT_EQ(response.headers.find("Api-Version"), "1.50");
        EXPECT_EQ(response.headers.find("Ostype"), "linux");
        EXPECT_EQ(response.headers.find("Docker-Experimental"), "false");
    }
}

TEST_F(ApiTest, VersionsAreNegotiated) {
    EXPECT_EQ(get("/v1.41/version")["ApiVersion"], "1.50");
    EXPECT_EQ(get("/version")["MinAPIVersion"], "1.41");
    EXPECT_EQ(outcome("GET", "/v1.99/version"),
              "400 client version 1.99 is too new. Maximum supported API version is 1.50");
    EXPECT_EQ(outcome("GET", "/v1.24/version"),
              "400 client version 1.24 is too old. Minimum supported API version is 1.41, please "
              "upgrade your client to a newer version");
    EXPECT_EQ(send("GET", "/v1.99/x").headers.find("Api-Version"), "1.50");
}

TEST_F(ApiTest, InfoTellsTheAccelerator) {
    const Json info = get("/v1.50/info");
    EXPECT_EQ(info["Containers"], 3);
    EXPECT_EQ(info["DriverStatus"][0], Json::array({"Accelerator", "tcg"}));
    EXPECT_EQ(info["Runtimes"]["hako"]["path"], "hako-shim");
    EXPECT_EQ(info["Warnings"].size(), 1U);
}

TEST_F(ApiTest, UnknownAndAbsentRoutes) {
    EXPECT_EQ(outcome("GET", "/v1.50/nothing"), "404 page not found");
    EXPECT_EQ(outcome("GET", "/"), "404 page not found");
    EXPECT_EQ(outcome("PATCH", "/containers/json"), "404 page not found");
    EXPECT_EQ(outcome("GET", "/v1.50/events"),
              "501 the stream of events is not offered by this version of hako");
    EXPECT_EQ(send("HEAD", "/containers/x/archive?path=/").status, 501);
    EXPECT_EQ(get("/networks"), Json::array());
    EXPECT_EQ(get("/volumes")["Volumes"], Json::array());
    EXPECT_EQ(outcome("GET", "/networks/x"), "404 network x not found");
    EXPECT_EQ(outcome("GET", "/swarm").substr(0, 43),
              "503 This node is not a swarm manager. Use \"");
    EXPECT_EQ(send("GET", "/services/x").status, 503);
}

TEST_F(ApiTest, CreateListInspectRemove) {
    const auto created = send("POST", "/v1.50/containers/create?name=app",
                              R"({"Image":"busybox","Cmd":["sh","-c","echo a"],"Labels":{"a":"b"},
                                  "HostConfig":{"NetworkMode":"bridge","CpusetCpus":"0"}})");
    ASSERT_EQ(created.status, 201) << created.body;
    const Json answer = parse_json(created.body).value();
    const auto id = answer["Id"].get<std::string>();
    EXPECT_EQ(answer["Warnings"].size(), 1U);

    EXPECT_EQ(get("/containers/json"), Json::array());
    const Json entry = get("/containers/json?all=1").at(0);
    EXPECT_EQ(entry["Id"], id);
    EXPECT_EQ(entry["Names"], Json::array({"/app"}));
    EXPECT_EQ(entry["Command"], "sh -c 'echo a'");
    EXPECT_EQ(entry["State"], "created");
    EXPECT_EQ(entry["Status"], "Created");
    EXPECT_EQ(entry["Labels"]["a"], "b");
    EXPECT_EQ(entry["HostConfig"]["NetworkMode"], "bridge");

    const Json details = get("/containers/app/json");
    EXPECT_EQ(details["Name"], "/app");
    EXPECT_EQ(details["Path"], "sh");
    EXPECT_EQ(details["Args"], Json::array({"-c", "echo a"}));
    EXPECT_EQ(details["State"]["StartedAt"], "0001-01-01T00:00:00Z");
    EXPECT_EQ(details["Config"]["Hostname"], id.substr(0, 12));
    EXPECT_FALSE(details["Config"].contains("HostConfig"));
    EXPECT_EQ(details["HostConfig"]["CpusetCpus"], "0");
    EXPECT_EQ(details["HostConfig"]["RestartPolicy"]["Name"], "no");
    EXPECT_EQ(details["NetworkSettings"]["Networks"], Json::object());

    EXPECT_EQ(outcome("DELETE", "/containers/app?force=1&v=1"), "204");
    EXPECT_EQ(containers_.calls().back(), "remove(force) app");
    EXPECT_EQ(outcome("GET", "/containers/app/json"), "404 No such container: app");
}

TEST_F(ApiTest, CreateRefusesBadBodies) {
    EXPECT_EQ(send("POST", "/containers/create", "{").status, 400);
    EXPECT_EQ(send("POST", "/containers/create", "[]").status, 400);
    EXPECT_EQ(send("POST", "/containers/create").status, 400);
    EXPECT_EQ(outcome("POST", "/containers/create", R"({"Image":"none"})"),
              "404 No such image: none");
    EXPECT_EQ(send("POST", "/containers/create", std::string(5U << 20U, ' ')).status, 413);
    EXPECT_EQ(
        send("POST", "/containers/create?platform=linux/s390x", R"({"Image":"busybox"})").status,
        404);
}

TEST_F(ApiTest, VerbsReachTheEngine) {
    containers_.add("app");
    EXPECT_EQ(outcome("POST", "/containers/app/start"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/start"), "304");
    EXPECT_EQ(outcome("POST", "/containers/app/resize?h=24&w=80"), "200");
    EXPECT_EQ(outcome("POST", "/containers/app/resize?h=0&w=80").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/containers/app/rename?name=/new"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/restart?t=5"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/stop?t=x").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/containers/app/stop"), "204");
    EXPECT_EQ(outcome("POST", "/containers/app/kill?signal=USR1"), "204");
    EXPECT_EQ(get("/containers/app/top")["Titles"], Json::array({"PID", "CMD"}));
    EXPECT_EQ(
        containers_.calls(),
        (std::vector<std::string>{"start app", "start app", "resize(80x24) app", "rename(new) app",
                                  "restart(5) app", "stop(-2) app", "kill(USR1) app", "top app"}));
    EXPECT_EQ(outcome("POST", "/containers/none/start"), "404 No such container: none");
}

TEST_F(ApiTest, ListFilters) {
    const auto list = [&](const std::string& filters) {
        return outcome("GET", http::make_target("/containers/json", {{"filters", filters}}));
    };
    EXPECT_EQ(list(R"({"status":["exited"],"exited":["0","1"],"label":["a=b"],"name":["x"],
                       "ancestor":["busybox"],"id":["1"],"before":["b"],"since":["s"]})"),
              "200 ");
    EXPECT_EQ(containers_.last_filter.exit_codes, (std::vector<int>{0, 1}));
    EXPECT_EQ(containers_.last_filter.ancestors, std::vector<std::string>{"busybox"});
    EXPECT_EQ(containers_.last_filter.before, "b");
    EXPECT_EQ(list(R"({"status":["sleeping"]})"), "400 invalid filter 'status=sleeping'");
    EXPECT_EQ(list(R"({"exited":["x"]})"), "400 invalid filter 'exited=x'");
    EXPECT_EQ(list(R"({"color":["red"]})"), "400 invalid filter 'color'");
    EXPECT_EQ(list("nonsense").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("GET", "/containers/json?limit=x").substr(0, 4), "400 ");
    EXPECT_EQ(get("/containers/json?limit=3"), Json::array());
    EXPECT_EQ(containers_.last_filter.limit, 3U);
}

TEST_F(ApiTest, Images) {
    const Json list = get("/images/json");
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list[0]["RepoTags"], Json::array({"busybox:latest"}));
    EXPECT_EQ(list[0]["Created"], 1767323045);
    EXPECT_FALSE(list[0].contains("VirtualSize"));
    EXPECT_EQ(get("/v1.43/images/json")[0]["VirtualSize"], 4'260'000);
    const auto count = [&](const std::string& filters) {
        return get(http::make_target("/images/json", {{"filters", filters}})).size();
    };
    EXPECT_EQ(count(R"({"reference":["busy*"]})"), 1U);
    EXPECT_EQ(count(R"({"reference":["busybox:1*"]})"), 0U);
    EXPECT_EQ(count(R"({"dangling":["true"]})"), 0U);
    EXPECT_EQ(count(R"({"label":["maker=hako"]})"), 1U);
    EXPECT_EQ(count(R"({"label":["maker=other"]})"), 0U);
    EXPECT_EQ(
        outcome("GET", "/images/json?filters=%7B%22dangling%22%3A%5B%22x%22%5D%7D").substr(0, 4),
        "400 ");

    EXPECT_EQ(get("/images/busybox/json")["RootFS"]["Type"], "layers");
    EXPECT_EQ(outcome("GET", "/images/127.0.0.1:5000/a/b:1/json"),
              "404 No such image: 127.0.0.1:5000/a/b:1");
    EXPECT_EQ(outcome("POST", "/images/busybox/tag?repo=127.0.0.1:5000/box&tag=2"), "201");
    EXPECT_EQ(images_.last_reference, "127.0.0.1:5000/box:2");
    EXPECT_EQ(outcome("POST", "/images/busybox/tag?repo=BAD").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/images/busybox/tag").substr(0, 4), "400 ");
    const auto removed = send("DELETE", "/images/busybox:latest");
    EXPECT_EQ(parse_json(removed.body).value(),
              Json::array({{{"Untagged", "busybox:latest"}}, {{"Deleted", fakes::busybox().id}}}));
}

TEST_F(ApiTest, PullStreamsItsProgress) {
    images_.progress = {{"", "Pulling from library/busybox"}, {"abc", "Downloading", 5, 10}};
    auto request = http::ClientRequest{
        .method = "POST",
        .target = "/v1.50/images/create?fromImage=busybox&tag=1.36&platform=linux/amd64",
        .headers = {{"X-Registry-Auth", "eyJ1c2VybmFtZSI6InUifQ=="}}};
    const auto stream = client().stream(request).value();
    const auto line = [&] {
        return parse_json(stream->next_line().value().value_or("{}")).value();
    };
    EXPECT_EQ(line()["status"], "Pulling from library/busybox");
    const Json second = line();
    EXPECT_EQ(second["progressDetail"]["total"], 10);
    EXPECT_EQ(second["id"], "abc");
    EXPECT_EQ(second["progress"], "[=========================>                        ]  5B/10B");
    EXPECT_EQ(stream->next_line().value(), std::nullopt);
    EXPECT_EQ(images_.last_reference, "docker.io/library/busybox:1.36");
    EXPECT_EQ(images_.last_options.auth.username, "u");
    EXPECT_EQ(images_.last_options.platform.architecture, "amd64");
}

TEST_F(ApiTest, APullThatFailsEarlyHasAStatusAndALateOneALastLine) {
    images_.pull_error = Error(ErrorKind::not_found, "manifest unknown");
    EXPECT_EQ(outcome("POST", "/images/create?fromImage=none"), "404 manifest unknown");
    images_.progress = {{"", "Pulling"}};
    const auto response = send("POST", "/images/create?fromImage=none");
    EXPECT_EQ(response.status, 200);
    EXPECT_NE(response.body.find(
                  R"({"error":"manifest unknown","errorDetail":{"message":"manifest unknown"}})"),
              std::string::npos);
    for (const char* bad :
         {"/images/create", "/images/create?fromImage=UPPER",
          "/images/create?fromImage=a&platform=!", "/images/create?fromImage=a&tag=!"})
        EXPECT_EQ(outcome("POST", bad).substr(0, 4), "400 ") << bad;
}

TEST_F(ApiTest, APullStopsWhenItsClientLeaves) {
    images_.progress = {{"", "Pulling"}};
    images_.pull_waits_for_stop = true;
    {
        const auto stream =
            client().stream({.method = "POST", .target = "/images/create?fromImage=a"});
        ASSERT_TRUE(stream.value()->next_line());
    }
    for (int i = 0; i < 500 && !images_.pull_stopped; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(images_.pull_stopped);
}

TEST_F(ApiTest, LoadTakesAStream) {
    const auto response = send("POST", "/images/load?quiet=0", std::string(6U << 20U, 'x'));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(images_.loaded_bytes, 6U << 20U);
    EXPECT_NE(response.body.find("Loading layer"), std::string::npos);
    EXPECT_NE(response.body.find(R"({"stream":"Loaded image: busybox:latest\n"})"),
              std::string::npos);
    EXPECT_NE(response.body.find("Loaded image ID: sha256:bb"), std::string::npos);
    EXPECT_EQ(send("POST", "/images/load?quiet=1").body.find("Loading layer"), std::string::npos);
}

TEST_F(ApiTest, Kernels) {
    EXPECT_EQ(get("/hako/v1/kernels")[0]["Default"], true);
    EXPECT_EQ(send("POST", "/hako/v1/kernels?name=mine", "vmlinux").status, 201);
    EXPECT_EQ(outcome("POST", "/hako/v1/kernels/mine/default"), "204");
    EXPECT_EQ(get("/hako/v1/kernels")[1]["Default"], true);
    EXPECT_EQ(outcome("DELETE", "/hako/v1/kernels/mine"), "204");
    EXPECT_EQ(outcome("POST", "/hako/v1/kernels").substr(0, 4), "400 ");
}

}  // namespace
}  // namespace hako::dockerapi
