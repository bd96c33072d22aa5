#include "base/base64.h"
#include "dockerapi/api_fixture.h"

namespace hako::dockerapi {
namespace {

using FileRoutesTest = ApiTest;

TEST_F(FileRoutesTest, ExportStreamsATar) {
    const auto exported = send("GET", "/containers/app/export");
    EXPECT_EQ(exported.body, "a tar of /");
    EXPECT_EQ(exported.headers.find("Content-Type"), "application/x-tar");
    EXPECT_EQ(outcome("GET", "/containers/none/export"), "404 No such container: none");
}

TEST_F(FileRoutesTest, AnArchiveComesWithItsPathDescribed) {
    const auto head = send("HEAD", "/containers/app/archive?path=/etc/motd");
    EXPECT_EQ(head.status, 200);
    const auto text = decode_base64(head.headers.find("X-Docker-Container-Path-Stat").value());
    EXPECT_EQ(parse_json(text.value()).value(), (Json{{"name", "motd"},
                                                      {"size", 5},
                                                      {"mode", 0644},
                                                      {"mtime", "0001-01-01T00:00:00Z"},
                                                      {"linkTarget", ""}}));
    const auto got = send("GET", "/containers/app/archive?path=/etc/motd");
    EXPECT_EQ(got.body, "a tar of /etc/motd");
    EXPECT_EQ(got.headers.find("X-Docker-Container-Path-Stat"),
              head.headers.find("X-Docker-Container-Path-Stat"));
    EXPECT_EQ(outcome("GET", "/containers/app/archive?path=/x"), "404 Could not find the file /x");
    EXPECT_EQ(outcome("GET", "/containers/app/archive").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("GET", "/containers/none/archive?path=/x"), "404 No such container: none");
}

TEST_F(FileRoutesTest, AnArchiveGoesIn) {
    EXPECT_EQ(
        send("PUT", "/containers/app/archive?path=/tmp&noOverwriteDirNonDir=true", "a tar").status,
        200);
    EXPECT_EQ(files_.copied, "a tar");
    EXPECT_EQ(files_.copied_to.path, "/tmp");
    EXPECT_TRUE(files_.copied_to.no_overwrite_dir_non_dir);
    EXPECT_EQ(outcome("PUT", "/containers/app/archive", "a tar").substr(0, 4), "400 ");
}

TEST_F(FileRoutesTest, ChangesHaveKinds) {
    EXPECT_EQ(send("GET", "/containers/app/changes").body, "null\n");
    using Kind = engine::Change::Kind;
    files_.changed = {{Kind::changed, "/etc"}, {Kind::added, "/etc/x"}, {Kind::deleted, "/bin/y"}};
    const auto list = get("/containers/app/changes");
    EXPECT_EQ(list, Json::parse(R"([{"Path": "/etc", "Kind": 0}, {"Path": "/etc/x", "Kind": 1},
                                    {"Path": "/bin/y", "Kind": 2}])"));
}

TEST_F(FileRoutesTest, ACommitKeepsTheConfigurationWithItsChanges) {
    auto& app = containers_.add("app");
    app.config.env = {"A=1"};
    app.config.cmd = std::vector<std::string>{"sh"};
    app.config.exposed_ports = {"80/tcp"};
    app.config.volumes = {"/data"};
    const auto made = send(
        "POST", "/commit?container=app&repo=new&tag=2&author=me&comment=why&changes=ENV%20B%3D2",
        R"({"User": "nobody", "Image": "ignored"})");
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(parse_json(made.body).value()["Id"], "sha256:" + std::string(64, 'c'));
    EXPECT_EQ(files_.committed.name->familiar(), "new:2");
    EXPECT_EQ(files_.committed.author, "me");
    EXPECT_EQ(files_.committed.comment, "why");
    EXPECT_EQ(files_.committed.config,
              Json::parse(R"({"Cmd": ["sh"], "Env": ["A=1", "B=2"], "User": "nobody",
                              "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}})"));
    EXPECT_EQ(outcome("POST", "/commit").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/commit?container=none").substr(0, 4), "404 ");
    EXPECT_EQ(outcome("POST", "/commit?container=app&repo=UPPER").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/commit?container=app&changes=FROM%20x").substr(0, 4), "400 ");
    EXPECT_EQ(outcome("POST", "/commit?container=app", "[]").substr(0, 4), "400 ");
}

}  // namespace
}  // namespace hako::dockerapi
