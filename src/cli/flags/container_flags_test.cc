#include "cli/flags/container_flags.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "cli/test_program.h"

namespace hako::cli {
namespace {

// The body that arguments make; what the command complained about when there is none.
Json body_of(const std::vector<std::string>& arguments) {
    TestProgram program;
    ContainerFlags flags;
    Command command("run", "");
    flags.declare(command);
    Json body;
    command.arguments("IMAGE", 1).stop_at_first_argument();
    command.action([&](Session&, const auto& rest) -> Result<int> {
        HAKO_TRY(body, flags.body(rest));
        return 0;
    });
    if (program.run(command, arguments) != 0) return program.err();
    return body;
}

const Json kPlain = {
    {"Image", "i"}, {"Tty", false}, {"OpenStdin", false}, {"HostConfig", {{"AutoRemove", false}}}};

struct Case {
    std::vector<std::string> flags;
    const char* merged;  // what the flags add to kPlain (RFC 7386)
};

class Flags : public testing::TestWithParam<Case> {};

TEST_P(Flags, FillTheBody) {
    auto arguments = GetParam().flags;
    arguments.emplace_back("i");
    Json expected = kPlain;
    expected.merge_patch(Json::parse(GetParam().merged));
    EXPECT_EQ(body_of(arguments), expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, Flags,
    testing::Values(
        Case{{}, "{}"}, Case{{"-it", "--rm"}, R"({"Tty":true,"OpenStdin":true,
            "HostConfig":{"AutoRemove":true}})"},
        Case{{"-e", "A=1", "-eB=x=y", "--env", "C="}, R"({"Env":["A=1","B=x=y","C="]})"},
        Case{{"-l", "a=b", "--label", "c"}, R"({"Labels":{"a":"b","c":""}})"},
        Case{{"-w", "/x", "-u", "1:2", "-h", "name"},
             R"({"WorkingDir":"/x","User":"1:2","Hostname":"name"})"},
        Case{{"--entrypoint", "sh"}, R"({"Entrypoint":["sh"]})"},
        Case{{"--entrypoint="}, R"({"Entrypoint":[""]})"},
        Case{{"-m", "512m", "--cpus", "1.5", "--cpuset-cpus", "0-3", "-c", "512"},
             R"({"HostConfig":{"Memory":536870912,"NanoCpus":1500000000,"CpusetCpus":"0-3",
                 "CpuShares":512}})"},
        Case{{"--pids-limit", "-1", "--shm-size=64m", "--memory-swap", "-1"},
             R"({"HostConfig":{"PidsLimit":-1,"ShmSize":67108864,"MemorySwap":-1}})"},
        Case{{"--ulimit", "nofile=10:20", "--ulimit", "core=-1"},
             R"({"HostConfig":{"Ulimits":[{"Name":"nofile","Soft":10,"Hard":20},
                 {"Name":"core","Soft":-1,"Hard":-1}]}})"},
        Case{{"--tmpfs", "/a", "--tmpfs", "/b:size=1m,mode=700"},
             R"({"HostConfig":{"Tmpfs":{"/a":"","/b":"size=1m,mode=700"}}})"},
        Case{{"--read-only", "--privileged", "--init"},
             R"({"HostConfig":{"ReadonlyRootfs":true,"Privileged":true,"Init":true}})"},
        Case{{"--cap-add", "NET_ADMIN", "--cap-add=SYS_TIME", "--cap-drop", "ALL"},
             R"({"HostConfig":{"CapAdd":["NET_ADMIN","SYS_TIME"],"CapDrop":["ALL"]}})"},
        Case{{"--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"},
             R"({"HostConfig":{"SecurityOpt":["no-new-privileges","seccomp=unconfined"]}})"},
        Case{{"--sysctl", "net.core.somaxconn=1024"},
             R"({"HostConfig":{"Sysctls":{"net.core.somaxconn":"1024"}}})"},
        Case{{"--stop-signal", "SIGINT", "--stop-timeout", "3"},
             R"({"StopSignal":"SIGINT","StopTimeout":3})"},
        Case{{"--kernel", "mine"}, R"({"HostConfig":{"Annotations":{"io.hako.kernel":"mine"}}})"},
        Case{{"--publish-socket", "/a:/b", "--publish-socket", "/c:/d"},
             R"({"HostConfig":{"Annotations":{"io.hako.publish-socket":"/a:/b,/c:/d"}}})"},
        Case{{"--restart", "on-failure:3"},
             R"({"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}})"},
        Case{{"--health-cmd", "true", "--health-interval", "5s", "--health-retries", "2"},
             R"({"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000,"Retries":2}})"},
        Case{{"--no-healthcheck"}, R"({"Healthcheck":{"Test":["NONE"]}})"},
        Case{{"-p", "8080:80", "-p", "127.0.0.1::53/udp", "-P"},
             R"({"ExposedPorts":{"80/tcp":{},"53/udp":{}},"HostConfig":{"PublishAllPorts":true,
                 "PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],
                                 "53/udp":[{"HostIp":"127.0.0.1","HostPort":""}]}}})"},
        Case{{"-v", "/a:/b:ro", "-v", "/only"},
             R"({"Volumes":{"/only":{}},"HostConfig":{"Binds":["/a:/b:ro"]}})"},
        Case{{"--mount", "type=bind,src=/a,dst=/b,readonly"},
             R"({"HostConfig":{"Mounts":[{"Type":"bind","Source":"/a","Target":"/b",
                 "ReadOnly":true}]}})"},
        Case{{"--network", "none"}, R"({"HostConfig":{"NetworkMode":"none"}})"},
        Case{
            {"--network", "name=app,alias=a,ip=10.0.0.2", "--network", "b", "--network-alias", "c"},
            R"({"HostConfig":{"NetworkMode":"app"},"NetworkingConfig":{"EndpointsConfig":{
                 "app":{"Aliases":["a","c"],"IPAMConfig":{"IPv4Address":"10.0.0.2"}},"b":{}}}})"},
        Case{{"--mac-address", "02:00:00:00:00:01"},
             R"({"NetworkingConfig":{"EndpointsConfig":{"default":{
                 "MacAddress":"02:00:00:00:00:01"}}}})"}));

TEST(ContainerFlags, PassTheCommandOn) {
    EXPECT_EQ(body_of({"i", "sh", "-c", "echo --rm"})["Cmd"], (Json{"sh", "-c", "echo --rm"}));
    EXPECT_FALSE(body_of({"i"}).contains("Cmd"));
}

TEST(ContainerFlags, TakeVariablesFromOurEnvironment) {
    ::setenv("HAKO_TEST_SET", "here", 1);
    ::unsetenv("HAKO_TEST_UNSET");
    EXPECT_EQ(body_of({"-e", "HAKO_TEST_SET", "-e", "HAKO_TEST_UNSET", "i"})["Env"],
              (Json{"HAKO_TEST_SET=here"}));
}

TEST(ContainerFlags, MountTheSocketOfTheSshAgent) {
    const auto folder = TempDir::create().value();
    const auto path = folder.path() / "agent";
    ::setenv("SSH_AUTH_SOCK", path.c_str(), 1);
    EXPECT_THAT(body_of({"--ssh", "i"}).get<std::string>(), testing::HasSubstr("ssh-agent"));
    const auto listener = listen_unix(path, 0600);
    const auto body = body_of({"--ssh", "-e", "A=1", "i"});
    EXPECT_EQ(body["Env"], (Json{"A=1", "SSH_AUTH_SOCK=/run/host-services/ssh-auth.sock"}));
    EXPECT_EQ(body["HostConfig"]["Mounts"],
              (Json{{{"Type", "bind"},
                     {"Source", path.native()},
                     {"Target", "/run/host-services/ssh-auth.sock"}}}));
    ::unsetenv("SSH_AUTH_SOCK");
    EXPECT_TRUE(body_of({"--ssh", "i"}).is_string());
}

TEST(ContainerFlags, ReadFilesBeforeFlags) {
    const auto folder = TempDir::create().value();
    const auto path = folder.path() / "env";
    ASSERT_TRUE(write_file(path, "\xEF\xBB\xBF# note\n  A=1 \n\nB=x=y\r\n"));
    EXPECT_EQ(body_of({"-e", "A=2", "--env-file", path, "i"})["Env"],
              (Json{"A=1 ", "B=x=y", "A=2"}));
    EXPECT_EQ(body_of({"-l", "A=3", "--label-file", path, "i"})["Labels"],
              (Json{{"A", "3"}, {"B", "x=y"}}));
}

class BadFlags : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(BadFlags, AreRefused) {
    auto arguments = GetParam();
    arguments.emplace_back("i");
    EXPECT_TRUE(body_of(arguments).is_string());
}

using Words = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    All, BadFlags,
    testing::Values(
        Words{"-m", "lots"}, Words{"--cpus", "-1"}, Words{"--cpus", "1e99"}, Words{"--cpus", "nan"},
        Words{"--ulimit", "nofile"}, Words{"--ulimit", "nofile=20:10"},
        Words{"--ulimit", "nofile=1:2:3"}, Words{"--pull", "perhaps"}, Words{"-a", "stdlog"},
        Words{"-e", "=x"}, Words{"-e", ""}, Words{"--env-file", "/nonexistent/file"},
        Words{"-p", "70000:80"}, Words{"-p", "1-3:1-2"}, Words{"-p", "80/icmp"}, Words{"-p", "8:"},
        Words{"-p", "5-1"}, Words{"--mount", "type=bind"},
        Words{"--mount", "type=bind,dst=/a,colour=red"}, Words{"-v", ":/a"}, Words{"--tmpfs"},
        Words{"--publish-socket", "/a"}, Words{"--stop-timeout", "soon"},
        Words{"--health-interval", "5"}, Words{"--restart", "always:x"}, Words{"--sysctl", "=1"},
        Words{"--rm", "--restart", "always"}, Words{"--no-healthcheck", "--health-cmd", "true"},
        Words{"--security-opt", "seccomp=/nonexistent/profile"},
        Words{"--mount", "type=tmpfs,dst=/a,tmpfs-mode=9"}));

}  // namespace
}  // namespace hako::cli
