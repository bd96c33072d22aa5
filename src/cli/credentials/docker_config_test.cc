#include "cli/credentials/docker_config.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/base64.h"
#include "base/fd.h"
#include "cli/credentials/credential_helper.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kServer = "registry.example:5000";

class DockerConfigTest : public ::testing::Test {
protected:
    DockerConfigTest() : old_path_(std::getenv("PATH")) {
        ::setenv("PATH", (folder_.path().string() + ":" + old_path_).c_str(), 1);
    }
    ~DockerConfigTest() override { ::setenv("PATH", old_path_.c_str(), 1); }

    void write(const Json& document) const { ASSERT_TRUE(write_file(path_, dump_json(document))); }
    Json read() const { return parse_json(read_file(path_).value()).value(); }
    DockerConfig load() const { return DockerConfig::load(path_).value(); }
    // A helper `docker-credential-test` that keeps one secret in a file and logs what it is asked.
    void install_helper(const std::string& get = "cat $d/secret") const {
        const auto program = folder_.path() / "docker-credential-test";
        ASSERT_TRUE(write_file(program,
                               "#!/bin/sh\nd=" + folder_.path().string() +
                                   "\necho $1 >> $d/calls\ncase $1 in\nstore) cat > $d/secret;;\n"
                                   "get) read server; [ -e $d/secret ] || { echo credentials not "
                                   "found in native keychain; exit 1; }; " +
                                   get + ";;\nerase) read server; rm $d/secret;;\nesac\n",
                               0755));
    }

    std::string old_path_;
    TempDir folder_ = TempDir::create().value();
    fs::path path_ = folder_.path() / "docker" / "config.json";
};

TEST_F(DockerConfigTest, WritesWhatDockerReads) {
    auto config = load();
    EXPECT_TRUE(config.find(kServer)->empty());
    EXPECT_FALSE(config.knows(kServer));
    const auto readable = config.store({.server = kServer, .username = "ann", .password = "a:b"});
    ASSERT_TRUE(readable) << readable.error().message();
    EXPECT_TRUE(*readable);
    EXPECT_EQ(read()["auths"][kServer]["auth"], encode_base64("ann:a:b"));
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);

    const auto found = load().find(kServer).value();
    EXPECT_EQ(found.username, "ann");
    EXPECT_EQ(found.password, "a:b");
    ASSERT_TRUE(config.erase(kServer));
    EXPECT_TRUE(load().find(kServer)->empty());
}

TEST_F(DockerConfigTest, AnIdentityTokenStandsForThePassword) {
    auto config = load();
    ASSERT_TRUE(config.store({.server = std::string(kHubServer), .identity_token = "token"}));
    EXPECT_EQ(read()["auths"][std::string(kHubServer)], (Json{{"identitytoken", "token"}}));
    EXPECT_EQ(load().find(std::string(kHubServer))->identity_token, "token");
}

TEST_F(DockerConfigTest, KeepsWhatItDoesNotKnow) {
    fs::create_directories(path_.parent_path());
    write({{"HttpHeaders", {{"X", "y"}}},
           {"auths", {{"other.example", {{"auth", "YTpi"}, {"email", "a@b"}}}}},
           {"aliases", {{"b", "build"}}}});
    auto config = load();
    ASSERT_TRUE(config.store({.server = kServer, .username = "ann", .password = "x"}));
    ASSERT_TRUE(config.erase(kServer));
    EXPECT_EQ(read(), (Json{{"HttpHeaders", {{"X", "y"}}},
                            {"auths", {{"other.example", {{"auth", "YTpi"}, {"email", "a@b"}}}}},
                            {"aliases", {{"b", "build"}}}}));
}

TEST_F(DockerConfigTest, WritesThroughALink) {
    fs::create_directories(path_.parent_path());
    const auto target = folder_.path() / "real.json";
    ASSERT_TRUE(write_file(target, "{}"));
    fs::create_symlink(target, path_);
    ASSERT_TRUE(load().store({.server = kServer, .username = "ann", .password = "x"}));
    EXPECT_TRUE(fs::is_symlink(path_));
    EXPECT_THAT(read_file(target).value(), HasSubstr(kServer));
}

TEST_F(DockerConfigTest, FindsServersAsOtherToolsWriteThem) {
    fs::create_directories(path_.parent_path());
    write({{"auths", {{"https://registry.example:5000/v1/", {{"auth", "YTpi"}}}}}});
    EXPECT_EQ(load().find(kServer)->username, "a");
    EXPECT_TRUE(load().find("registry.example")->empty());
}

TEST_F(DockerConfigTest, ABrokenFileIsNamedButNotShown) {
    fs::create_directories(path_.parent_path());
    for (const char* text : {"{\"secret\": ", "[\"secret\"]"}) {
        ASSERT_TRUE(write_file(path_, text));
        const auto config = DockerConfig::load(path_);
        ASSERT_FALSE(config);
        EXPECT_THAT(config.error().message(), HasSubstr(path_.string()));
        EXPECT_THAT(config.error().message(), Not(HasSubstr("secret")));
    }
    write({{"auths", {{kServer, {{"auth", "c2VjcmV0"}}}}}});  // "secret", without a colon
    EXPECT_THAT(load().find(kServer).error().message(), HasSubstr(kServer));
}

TEST_F(DockerConfigTest, AHelperKeepsTheSecret) {
    install_helper();
    fs::create_directories(path_.parent_path());
    write({{"credHelpers", {{kServer, "test"}}}, {"credsStore", "missing"}});
    auto config = load();
    EXPECT_TRUE(config.find(kServer)->empty());
    const auto readable = config.store({.server = kServer, .username = "ann", .password = "p"});
    ASSERT_TRUE(readable) << readable.error().message();
    EXPECT_FALSE(*readable);
    EXPECT_EQ(read()["auths"][kServer], Json::object());
    EXPECT_TRUE(config.knows(kServer));
    EXPECT_EQ(config.find(kServer)->password, "p");
    ASSERT_TRUE(config.store({.server = kServer, .identity_token = "token"}));
    EXPECT_EQ(config.find(kServer)->identity_token, "token");
    EXPECT_EQ(config.find(kServer)->username, "");
    ASSERT_TRUE(config.erase(kServer));
    EXPECT_FALSE(fs::exists(folder_.path() / "secret"));
}

TEST_F(DockerConfigTest, AMissingOrFailingHelperIsNamed) {
    fs::create_directories(path_.parent_path());
    write({{"credsStore", "not-there"}});
    EXPECT_THAT(load().find(kServer).error().message(),
                HasSubstr("docker-credential-not-there is not installed"));
    write({{"credsStore", "../x"}});
    EXPECT_EQ(load().find(kServer).error().kind(), ErrorKind::invalid);
    install_helper("echo the vault is locked; exit 1");
    write({{"credsStore", "test"}});
    ASSERT_TRUE(write_file(folder_.path() / "secret", "x"));
    EXPECT_THAT(load().find(kServer).error().message(), HasSubstr("the vault is locked"));
    install_helper("echo secret");
    EXPECT_THAT(load().find(kServer).error().message(), Not(HasSubstr("secret")));
}

TEST(Credentials, NameServersAsDockerDoes) {
    for (const char* image :
         {"busybox", "team/app:1", "docker.io/library/busybox", "index.docker.io/team/app"})
        EXPECT_EQ(server_of_image(image), kHubServer) << image;
    EXPECT_EQ(server_of_image("127.0.0.1:5000/app"), "127.0.0.1:5000");
    EXPECT_EQ(server_of_image("localhost/app"), "localhost");
    EXPECT_EQ(server_of_image("registry.example/team/app@sha256:00"), "registry.example");
    EXPECT_EQ(server_of_argument(""), kHubServer);
    EXPECT_EQ(server_of_argument("https://index.docker.io/v1/"), kHubServer);
    EXPECT_EQ(server_of_argument("https://registry.example:5000/v2/"), "registry.example:5000");
}

TEST(Credentials, BecomeAHeader) {
    const Credentials credentials{.server = "s", .username = "u", .password = "\xff?"};
    const auto header = credentials.to_header();
    EXPECT_EQ(header.find_first_of("+/"), std::string::npos);
    const auto json = parse_json(decode_base64(header).value()).value();
    EXPECT_EQ(json["username"], "u");
    EXPECT_EQ(json["serveraddress"], "s");
    EXPECT_FALSE(json.contains("identitytoken"));
}

}  // namespace
}  // namespace hako::cli
