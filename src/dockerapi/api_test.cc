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
    EXPECT_EQ(get("/version")["MinAPIVersion"], "1.24");
    EXPECT_EQ(outcome("GET", "/v1.99/version"),
              "400 client version 1.99 is too new. Maximum supported API version is 1.50");
    EXPECT_EQ(get("/v1.24/version")["ApiVersion"], "1.50");
    EXPECT_EQ(outcome("GET", "/v1.23/version"),
              "400 client version 1.23 is too old. Minimum supported API version is 1.24, please "
              "upgrade your client to a newer version");
    EXPECT_EQ(send("GET", "/v1.99/x").headers.find("Api-Version"), "1.50");
}

TEST_F(ApiTest, InfoTellsTheAccelerator) {
    const Json info = get("/v1.50/info");
    EXPECT_EQ(info["Containers"], 3);
    EXPECT_EQ(info["DriverStatus"][0], Json::array({"Accelerator", "tcg"}));
    EXPECT_EQ(info["Runtimes"]["hako"]["path"], "hako-shim");
    EXPECT_EQ(info["Plugins"]["Volume"], Json({"block", "local"}));
    EXPECT_EQ(info["Warnings"].size(), 1U);
}

TEST_F(ApiTest, UnknownAndAbsentRoutes) {
    EXPECT_EQ(outcome("GET", "/v1.50/nothing"), "404 page not found");
    EXPECT_EQ(outcome("GET", "/"), "404 page not found");
    EXPECT_EQ(outcome("PATCH", "/containers/json"), "404 page not found");
    EXPECT_EQ(outcome("POST", "/v1.50/build"),
              "501 building images is not offered by this version of hako");
    EXPECT_EQ(send("POST", "/v1.50/build/prune").body,
              R"({"CachesDeleted":null,"SpaceReclaimed":0})"
              "\n");
    EXPECT_EQ(send("HEAD", "/containers/x/archive?path=/").status, 404);
    EXPECT_EQ(outcome("GET", "/swarm").substr(0, 43),
              "503 This node is not a swarm manager. Use \"");
    EXPECT_EQ(send("GET", "/services/x").status, 503);
}

TEST_F(ApiTest, CreateListInspectRemove) {
    const auto created = send("POST", "/v1.50/containers/create?name=app",
                              R"({"Image":"busybox","Cmd":["sh","-c","echo a"],"Labels":{"a":"b"},
                                  "HostConfig":{"NetworkMode":"bridge","CpusetCpus":"0","BlkioWeight":10}})");
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
    const auto create = [&](const std::string& platform) {
        return send("POST", "/containers/create?platform=" + platform, R"({"Image":"busybox"})")
            .status;
    };
    EXPECT_EQ(create("!"), 400);
    EXPECT_EQ(create("linux/s390x"), 201);  // what can run is for the engine to say
    EXPECT_EQ(containers_.last_create.platform->text(), "linux/s390x");
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
    EXPECT_EQ(list(R"({"publish":["80","53/udp"],"expose":["8000-8002/tcp"]})"), "200 ");
    EXPECT_EQ(containers_.last_filter.published, (std::vector<std::string>{"80/tcp", "53/udp"}));
    EXPECT_EQ(containers_.last_filter.exposed,
              (std::vector<std::string>{"8000/tcp", "8001/tcp", "8002/tcp"}));
    for (const auto* port : {"", "x", "80/", "80/ip", "9-8", "1-65536", "1-2-3", "-1"})
        EXPECT_EQ(list(fmt::format(R"({{"expose":["{}"]}})", port)).substr(0, 4), "400 ") << port;
    EXPECT_EQ(list(R"({"status":["sleeping"]})"), "400 invalid filter 'status=sleeping'");
    EXPECT_EQ(list(R"({"exited":["x"]})"), "400 invalid filter 'exited=x'");
    EXPECT_EQ(list(R"({"is-task":["junk"]})"),
              "400 invalid filter 'is-task=junk': true or false is expected");
    EXPECT_EQ(list(R"({"is-task":["false"]})"), "200 ");
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
    EXPECT_FALSE(get("/images/busybox/json").contains("ContainerConfig"));
    http::Fields old_compose;
    old_compose.add("User-Agent", "docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1");
    const auto details =
        client().send({.target = "/images/busybox/json", .headers = old_compose}).value();
    const Json both = parse_json(details.body).value();
    EXPECT_EQ(both["ContainerConfig"], both["Config"]);
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

TEST_F(ApiTest, ImagesTellTheirPlatformWhenAsked) {
    const auto manifests = get("/images/json?manifests=1")[0]["Manifests"];
    ASSERT_EQ(manifests.size(), 1U);
    EXPECT_EQ(manifests[0]["ImageData"]["Platform"]["architecture"],
              oci::Platform::host().architecture);
    EXPECT_FALSE(get("/images/json")[0].contains("Manifests"));
    EXPECT_EQ(outcome("GET", "/images/busybox/json?platform=linux/s390x").substr(0, 4), "404 ");
    const auto host =
        R"({"os":"linux","architecture":")" + oci::Platform::host().architecture + R"("})";
    EXPECT_EQ(get(http::make_target("/images/busybox/json", {{"platform", host}}))["Os"], "linux");
}

TEST_F(ApiTest, ImagesFilterByTimeAndOtherImages) {
    images::Image later = fakes::busybox();
    later.id = "sha256:" + std::string(64, 'c');
    later.repo_tags = {"later:1"};
    later.created = "2026-01-03T00:00:00Z";
    images_.images.push_back(later);
    const auto names = [&](const std::string& filters) {
        std::string all;
        for (const auto& image : get(http::make_target("/images/json", {{"filters", filters}})))
            all += image["RepoTags"][0].get<std::string>() + " ";
        return all;
    };
    EXPECT_EQ(names(R"({"before":["later:1"]})"), "busybox:latest ");
    EXPECT_EQ(names(R"({"since":["busybox"]})"), "later:1 ");
    EXPECT_EQ(names(R"({"until":["2026-01-02T12:00:00Z"]})"), "busybox:latest ");
    EXPECT_EQ(names(R"({"until":["1h"]})"), "busybox:latest later:1 ");
    EXPECT_EQ(
        outcome("GET", http::make_target("/images/json", {{"filters", R"({"since":["none"]})"}})),
        "404 No such image: none");
}

TEST_F(ApiTest, HistoryTellsOfEachLayer) {
    auto& image = images_.images[0];
    image.layer_sizes = {10, 20, 30};
    image.history = Json::array({{{"created_by", "ADD"}, {"created", "2026-01-02T03:04:05Z"}},
                                 {{"created_by", "ENV"}, {"empty_layer", true}},
                                 {{"created_by", "COPY"}, {"comment", "c"}}});
    const Json history = get("/images/busybox/history");
    ASSERT_EQ(history.size(), 4U);  // one layer is in no history
    EXPECT_EQ(history[0]["Id"], image.id);
    EXPECT_EQ(history[0]["Size"], 30);
    EXPECT_EQ(history[0]["Tags"], Json::array({"busybox:latest"}));
    EXPECT_EQ(history[1]["CreatedBy"], "COPY");
    EXPECT_EQ(history[1]["Size"], 20);
    EXPECT_EQ(history[2]["Size"], 0);
    EXPECT_EQ(history[3]["Created"], 1767323045);
    EXPECT_EQ(history[3]["Id"], "<missing>");
}

TEST_F(ApiTest, PruneRemovesWhatNobodyUses) {
    images::Image dangling = fakes::busybox();
    dangling.id = "sha256:" + std::string(64, 'd');
    dangling.repo_tags.clear();
    dangling.repo_digests.clear();
    images_.images.push_back(dangling);
    const auto pruned = [&](const std::string& filters) {
        const auto answer =
            send("POST", http::make_target("/images/prune", {{"filters", filters}}));
        return parse_json(answer.body).value()["ImagesDeleted"];
    };
    EXPECT_EQ(pruned(R"({"label":["maker=other"]})"), Json(nullptr));
    EXPECT_EQ(pruned("{}").back()["Deleted"], dangling.id);
    EXPECT_EQ(pruned(R"({"dangling":["false"]})").size(), 4U);
    containers_.add("user");  // of busybox
    EXPECT_EQ(pruned(R"({"dangling":["false"]})").size(), 2U);
}

TEST_F(ApiTest, SaveAndImportStream) {
    EXPECT_EQ(send("GET", "/images/busybox/get").body, fakes::busybox().id);
    EXPECT_EQ(send("GET", "/images/get?names=busybox&names=busybox&format=oci").body,
              fakes::busybox().id + fakes::busybox().id);
    EXPECT_FALSE(images_.last_save.docker_manifest);
    EXPECT_EQ(outcome("GET", "/images/get?names=none"), "404 No such image: none");
    EXPECT_EQ(outcome("GET", "/images/get").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("GET", "/images/busybox/get?format=zip").substr(0, 4), "400 ");

    const auto imported = send(
        "POST", "/images/create?fromSrc=-&repo=base&tag=1&changes=CMD%20sh&changes=ENV%20A%3D1",
        "tar");
    EXPECT_NE(imported.body.find(fakes::busybox().id), std::string::npos);
    EXPECT_EQ(images_.last_import.name->familiar(), "base:1");
    EXPECT_EQ(images_.last_import.changes, (std::vector<std::string>{"CMD sh", "ENV A=1"}));
    EXPECT_EQ(images_.last_import.message, "Imported from -");
    EXPECT_EQ(outcome("POST", "/images/create?fromSrc=-").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/images/create?fromSrc=http://x/y").substr(0, 4), "501 ");
}

TEST_F(ApiTest, DiskUsageCountsWhatIsSharedOnce) {
    auto& image = images_.images[0];
    image.diff_ids = {"sha256:a", "sha256:b"};
    image.layer_sizes = {10, 20};
    images_.images.push_back(image);
    images_.images[1].id = "sha256:" + std::string(64, 'c');
    images_.images[1].diff_ids = {"sha256:a"};
    images_.images[1].layer_sizes = {10};
    containers_.add("user");
    const Json usage = get("/system/df");
    EXPECT_EQ(usage["LayersSize"], 2000);
    EXPECT_EQ(usage["Images"][0]["SharedSize"], 10);
    EXPECT_EQ(usage["Images"][0]["Containers"], 1);
    EXPECT_EQ(usage["Images"][1]["Containers"], 0);
    EXPECT_EQ(usage["Containers"].size(), 1U);
    EXPECT_EQ(get("/system/df?type=container")["Images"], Json(nullptr));
}

TEST_F(ApiTest, CheckReportsWhatItFound) {
    const auto report = [&](const char* target) {
        return parse_json(send("POST", target).body).value();
    };
    EXPECT_EQ(report("/hako/v1/system/check")["Findings"][0]["Remedy"], "");
    EXPECT_EQ(report("/hako/v1/system/check?repair=1")["Findings"][0]["Remedy"], "removed");
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
    EXPECT_EQ(images_.last_options.platform->architecture, "amd64");
    EXPECT_FALSE(images_.last_options.all_platforms);
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

TEST_F(ApiTest, RootfsOfAnImage) {
    EXPECT_EQ(outcome("GET", "/hako/v1/images/none/rootfs").substr(0, 4), "404 ");
    EXPECT_EQ(outcome("GET", "/hako/v1/images/busybox/rootfs?format=zip"),
              "400 format zip is not known: use tar or erofs");
    // Of no extents there is nothing to read.
    EXPECT_EQ(outcome("GET", "/hako/v1/images/busybox/rootfs").substr(0, 4), "400 ");
}

TEST_F(ApiTest, Kernels) {
    EXPECT_EQ(get("/hako/v1/kernels")[0]["Default"], true);
    EXPECT_EQ(send("POST", "/hako/v1/kernels?name=mine", "vmlinux").status, 201);
    EXPECT_EQ(outcome("POST", "/hako/v1/kernels/mine/default"), "204");
    EXPECT_EQ(get("/hako/v1/kernels")[1]["Default"], true);
    EXPECT_EQ(outcome("DELETE", "/hako/v1/kernels/mine"), "204");
    EXPECT_EQ(outcome("POST", "/hako/v1/kernels").substr(0, 4), "400 ");
    EXPECT_EQ(send("POST", "/hako/v1/templates?memory=64m").status, 201);
    EXPECT_EQ(get("/hako/v1/templates")[0]["Key"], "67108864");
    EXPECT_EQ(get("/hako/v1/templates/67108864")["Shape"]["memory_bytes"], 1);
    EXPECT_EQ(outcome("DELETE", "/hako/v1/templates/67108864"), "204");
    EXPECT_EQ(outcome("GET", "/hako/v1/templates/67108864").substr(0, 4), "404 ");
    EXPECT_EQ(outcome("POST", "/hako/v1/templates?memory=much").substr(0, 4), "400 ");
}

}  // namespace
}  // namespace hako::dockerapi
