#include "dockerapi/container_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hako::dockerapi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json body_with(const std::string& members) {
    return parse_json(R"({"Image":"busybox")" + (members.empty() ? "" : "," + members) + "}")
        .value();
}

TEST(CreateRequest, ReadsWhatIsOffered) {
    const auto parsed = parse_create(body_with(R"(
        "Hostname":"h","Domainname":"d","User":"1:2","WorkingDir":"/w","StopSignal":"SIGINT",
        "StopTimeout":3,"Env":["A=1","B"],"Entrypoint":["sh","-c"],"Cmd":["true"],
        "Labels":{"a":"b"},"Tty":true,"OpenStdin":true,"StdinOnce":true,"AttachStdin":true,
        "ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}},
        "HostConfig":{"Memory":67108864,"NanoCpus":1500000000,"CpuShares":512,"PidsLimit":100,
          "Ulimits":[{"Name":"nofile","Soft":10,"Hard":20}],"ShmSize":1048576,"CapAdd":["NET_ADMIN"],
          "CapDrop":["ALL"],"Privileged":true,"SecurityOpt":["no-new-privileges"],
          "ReadonlyRootfs":true,"Tmpfs":{"/tmp":"size=1m"},"Sysctls":{"kernel.x":"1"},
          "OomScoreAdj":500,"AutoRemove":true,"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
          "NetworkMode":"none","ConsoleSize":[24,80]},
        "NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":null}}})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto& config = parsed->request.config;
    EXPECT_EQ(config.image, "busybox");
    EXPECT_EQ(config.user, "1:2");
    EXPECT_EQ(config.stop_timeout, 3);
    EXPECT_EQ(config.env, (std::vector<std::string>{"A=1", "B"}));
    EXPECT_EQ(config.entrypoint, (std::vector<std::string>{"sh", "-c"}));
    EXPECT_EQ(config.cmd, std::vector<std::string>{"true"});
    EXPECT_TRUE(config.tty && config.open_stdin && config.stdin_once && config.attach_stdin);
    EXPECT_FALSE(config.attach_stdout);
    const auto& host = parsed->request.host_config;
    EXPECT_EQ(host.memory, 64 * kMiB);
    EXPECT_EQ(host.nano_cpus, 1'500'000'000U);
    ASSERT_EQ(host.ulimits.size(), 1U);
    EXPECT_EQ(host.ulimits[0].hard, 20);
    EXPECT_EQ(host.cap_drop, std::vector<std::string>{"ALL"});
    EXPECT_EQ(host.tmpfs.at("/tmp"), "size=1m");
    EXPECT_TRUE(host.privileged && host.readonly_rootfs && host.auto_remove);
    EXPECT_EQ(host.network_mode, "none");
    EXPECT_EQ(host.console_size->columns, 80U);
    EXPECT_TRUE(parsed->warnings.empty());
    EXPECT_THAT(parsed->request.config_json, HasSubstr("ExposedPorts"));
    EXPECT_THAT(parsed->request.config_json, testing::Not(HasSubstr("HostConfig")));
    EXPECT_THAT(parsed->request.host_config_json, HasSubstr("Ulimits"));
    EXPECT_THAT(parsed->request.networking_json, HasSubstr("default"));
}

TEST(CreateRequest, NullsAndAbsentFieldsAreDefaults) {
    const auto parsed = parse_create(body_with(
        R"("Cmd":null,"Env":null,"Labels":null,"Entrypoint":null,"StopTimeout":null,
           "HostConfig":{"Binds":null,"PortBindings":{},"Links":[],"RestartPolicy":{"Name":""},
           "MemorySwappiness":-1,"OomKillDisable":false,"Init":null,"CapAdd":null,"Memory":0})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_FALSE(parsed->request.config.cmd);
    EXPECT_FALSE(parsed->request.config.entrypoint);
    EXPECT_TRUE(parsed->warnings.empty());
    EXPECT_TRUE(parse_create(body_with("")));
    EXPECT_TRUE(parse_create(body_with(R"("HostConfig":null,"NetworkingConfig":null)")));
    EXPECT_EQ(parse_create(body_with(R"("Entrypoint":[],"Cmd":"ls")"))->request.config.cmd,
              std::vector<std::string>{"ls"});
}

struct Wrong {
    const char* field;
    const char* members;
};

// Each is 400 and names its field.
constexpr Wrong kWrong[] = {
    {"Hostname", R"("Hostname":1)"},
    {"Domainname", R"("Domainname":[])"},
    {"User", R"("User":0)"},
    {"WorkingDir", R"("WorkingDir":{})"},
    {"StopSignal", R"("StopSignal":15)"},
    {"StopTimeout", R"("StopTimeout":"3")"},
    {"StopTimeout", R"("StopTimeout":99999999999)"},
    {"Env", R"("Env":{"A":"1"})"},
    {"Env", R"("Env":["A=1",2])"},
    {"Env", R"("Env":["A=\u0000"])"},
    {"environment", R"("Env":["=x"])"},
    {"environment", R"("Env":[""])"},
    {"Entrypoint", R"("Entrypoint":{"a":1})"},
    {"Cmd", R"("Cmd":[1])"},
    {"Labels", R"("Labels":["a"])"},
    {"Labels", R"("Labels":{"a":1})"},
    {"Labels", R"("Labels":{"":"x"})"},
    {"Tty", R"("Tty":"yes")"},
    {"OpenStdin", R"("OpenStdin":1)"},
    {"ExposedPorts", R"("ExposedPorts":["80"])"},
    {"Healthcheck", R"("Healthcheck":"x")"},
    {"Volumes", R"("Volumes":["/x"])"},
    {"HostConfig", R"("HostConfig":[])"},
    {"NetworkingConfig", R"("NetworkingConfig":1)"},
    {"EndpointsConfig", R"("NetworkingConfig":{"EndpointsConfig":[]})"},
    {"Memory", R"("HostConfig":{"Memory":"1g"})"},
    {"Memory", R"("HostConfig":{"Memory":-5})"},
    {"Memory", R"("HostConfig":{"Memory":1.5})"},
    {"NanoCpus", R"("HostConfig":{"NanoCpus":1e30})"},
    {"NanoCpus", R"("HostConfig":{"NanoCpus":1,"CpuQuota":5})"},
    {"CpuQuota", R"("HostConfig":{"CpuQuota":"5"})"},
    {"PidsLimit", R"("HostConfig":{"PidsLimit":"x"})"},
    {"Ulimits", R"("HostConfig":{"Ulimits":{}})"},
    {"Ulimits", R"("HostConfig":{"Ulimits":[5]})"},
    {"Ulimits", R"("HostConfig":{"Ulimits":[{"Soft":1,"Hard":2}]})"},
    {"Ulimits", R"("HostConfig":{"Ulimits":[{"Name":"core","Soft":3,"Hard":2}]})"},
    {"Ulimits", R"("HostConfig":{"Ulimits":[{"Name":"core","Soft":-1,"Hard":2}]})"},
    {"ShmSize", R"("HostConfig":{"ShmSize":-1})"},
    {"CapAdd", R"("HostConfig":{"CapAdd":"ALL"})"},
    {"SecurityOpt", R"("HostConfig":{"SecurityOpt":[{}]})"},
    {"Tmpfs", R"("HostConfig":{"Tmpfs":["/tmp"]})"},
    {"Sysctls", R"("HostConfig":{"Sysctls":{"a":1}})"},
    {"OomScoreAdj", R"("HostConfig":{"OomScoreAdj":1001})"},
    {"Privileged", R"("HostConfig":{"Privileged":"true"})"},
    {"RestartPolicy", R"("HostConfig":{"RestartPolicy":{"Name":1}})"},
    {"Interval", R"("Healthcheck":{"Interval":1000})"},
    {"Retries", R"("Healthcheck":{"Retries":-1})"},
    {"Healthcheck", R"("Healthcheck":{"Test":["RUN","x"]})"},
    {"NetworkMode", R"("HostConfig":{"NetworkMode":{}})"},
    {"PidMode", R"("HostConfig":{"PidMode":1})"},
    {"ConsoleSize", R"("HostConfig":{"ConsoleSize":[1]})"},
    {"MaskedPaths", R"("HostConfig":{"MaskedPaths":"/x"})"},
    {"PidMode", R"("HostConfig":{"PidMode":"host"})"},
    {"PidMode", R"("HostConfig":{"PidMode":"mine"})"},
    {"IpcMode", R"("HostConfig":{"IpcMode":"container:"})"},
    {"UTSMode", R"("HostConfig":{"UTSMode":"host"})"},
    {"UTSMode", R"("HostConfig":{"UTSMode":"none"})"},
    {"Runtime", R"("HostConfig":{"Runtime":"runsc"})"},
    {"Isolation", R"("HostConfig":{"Isolation":"hyperv"})"},
    {"UsernsMode", R"("HostConfig":{"UsernsMode":"container:x"})"},
    {"Devices", R"("HostConfig":{"Devices":[{"PathOnHost":1}]})"},
    {"MemorySwap", R"("HostConfig":{"MemorySwap":1000})"},
    {"MemorySwap", R"("HostConfig":{"Memory":10000000,"MemorySwap":1000})"},
    {"LogConfig", R"("HostConfig":{"LogConfig":{"Config":{"max-size":1}}})"},
    {"ExposedPorts", R"("ExposedPorts":{"80/ftp":{}})"},
    {"ExposedPorts", R"("ExposedPorts":{"0/tcp":{}})"},
};

TEST(CreateRequest, RuntimesOfClientsThatKnowNoOther) {
    for (const auto* runtime : {"", "hako", "runc", "io.containerd.runc.v2"})
        EXPECT_TRUE(parse_create(body_with(
            fmt::format(R"("HostConfig":{{"Runtime":"{}","Isolation":"default"}})", runtime))))
            << runtime;
}

TEST(CreateRequest, AWrongFieldIsNamed) {
    for (const auto& wrong : kWrong) {
        const auto parsed = parse_create(body_with(wrong.members));
        ASSERT_FALSE(parsed) << wrong.members;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::invalid) << wrong.members;
        EXPECT_THAT(parsed.error().message(), HasSubstr(wrong.field)) << wrong.members;
    }
    EXPECT_THAT(parse_create(Json::object()).error().message(), HasSubstr("Image"));
}

constexpr Wrong kNotOffered[] = {
    {"DeviceRequests", R"({"DeviceRequests":[{"Count":-1}]})"},
};

TEST(CreateRequest, DevicesAsCdiNamesThem) {
    const auto parsed = parse_create(body_with(
        R"("HostConfig":{"Devices":[{"PathOnHost":"/dev/fuse"}],
            "DeviceRequests":[{"Driver":"cdi","DeviceIDs":["hako/usb=046d:c52b","hako/usb=1/4"]}]})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto& devices = parsed->request.host_config.devices;
    ASSERT_EQ(devices.size(), 3U);
    EXPECT_EQ(devices[0].path, "/dev/fuse");
    EXPECT_EQ(devices[1].node, "hako/usb=046d:c52b");
    EXPECT_EQ(devices[2].node, "hako/usb=1/4");
}

TEST(CreateRequest, WhatIsNotOfferedIsRefused) {
    for (const auto& refused : kNotOffered) {
        const auto parsed =
            parse_create(body_with(fmt::format("\"HostConfig\":{}", refused.members)));
        ASSERT_FALSE(parsed) << refused.members;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::unimplemented) << refused.members;
        EXPECT_THAT(parsed.error().message(), HasSubstr(refused.field));
        EXPECT_THAT(parsed.error().message(), HasSubstr("not offered by this version of hako"));
    }
}

TEST(CreateRequest, NetworkModeHostPublishesWhatListens) {
    const auto parsed = parse_create(body_with(
        R"("HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"8080"}]}})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->request.host_config.network_mode, "host");
    EXPECT_TRUE(parsed->request.host_config.port_bindings.empty());
    ASSERT_EQ(parsed->warnings.size(), 1U);
    EXPECT_EQ(parsed->warnings[0], "Published ports are discarded when using host network mode");
}

TEST(CreateRequest, NetworksAndPorts) {
    const auto parsed = parse_create(body_with(R"("ExposedPorts":{"53/udp":{}},
        "MacAddress":"02:00:00:00:00:01",
        "HostConfig":{"NetworkMode":"app","PublishAllPorts":true,"Dns":["192.0.2.1"],
            "PortBindings":{"80":[{"HostIp":"::1","HostPort":"8080"},{}],"81/udp":[]}},
        "NetworkingConfig":{"EndpointsConfig":{"app":{"Aliases":["db"],"GwPriority":3,
            "IPAMConfig":{"IPv4Address":"10.0.0.9"}},"other":null}})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto& request = parsed->request;
    EXPECT_THAT(request.config.exposed_ports, ElementsAre("53/udp"));
    EXPECT_TRUE(request.host_config.publish_all_ports);
    EXPECT_THAT(request.host_config.dns, ElementsAre("192.0.2.1"));
    std::vector<std::string> ports;
    for (const auto& port : request.host_config.port_bindings)
        ports.push_back(fmt::format("{} {} {}", port.container_port, port.host_ip, port.host_port));
    EXPECT_THAT(ports, ElementsAre("80/tcp ::1 8080", "80/tcp  ", "81/udp  "));
    ASSERT_EQ(request.endpoints.size(), 2U);
    const auto& app = request.endpoints.at("app");
    EXPECT_THAT(app.aliases, ElementsAre("db"));
    EXPECT_EQ(app.ipv4, "10.0.0.9");
    EXPECT_EQ(app.mac, "02:00:00:00:00:01");
    EXPECT_EQ(app.gateway_priority, 3);
}

TEST(CreateRequest, NamespacesOfAnotherContainer) {
    const auto parsed = parse_create(body_with(
        R"("HostConfig":{"NetworkMode":"container:a","PidMode":"container:a","IpcMode":"none",
                         "CpusetCpus":"0","Devices":[{"PathOnHost":"/dev/fuse"}]})"));
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto& host = parsed->request.host_config;
    EXPECT_EQ(host.network_mode, "container:a");
    EXPECT_EQ(host.pid_mode, "container:a");
    EXPECT_EQ(host.cpuset_cpus, "0");
    ASSERT_EQ(host.devices.size(), 1U);
    EXPECT_EQ(host.devices[0].path, "/dev/fuse");
    EXPECT_TRUE(parsed->warnings.empty());
}

TEST(CreateRequest, WhatHasNoEffectIsAWarning) {
    const auto parsed = parse_create(body_with(
        R"("Healthcheck":{"Test":["CMD","true"]},"HostConfig":{"SecurityOpt":["apparmor=x"],"BlkioWeight":10})"));
    ASSERT_TRUE(parsed);
    EXPECT_THAT(parsed->warnings,
                testing::UnorderedElementsAre(HasSubstr("apparmor"), HasSubstr("BlkioWeight")));
    EXPECT_EQ(parsed->request.config.healthcheck->test.size(), 2U);
}

TEST(ExecRequest, IsCheckedToo) {
    const auto config = parse_exec(
        parse_json(R"({"Cmd":["ls","-l"],"Env":["A=1"],"User":"u","WorkingDir":"/","Tty":true,
                       "AttachStdin":true,"Privileged":true,"DetachKeys":"ctrl-x"})")
            .value());
    ASSERT_TRUE(config);
    EXPECT_EQ(config->cmd, (std::vector<std::string>{"ls", "-l"}));
    EXPECT_TRUE(config->tty && config->attach_stdin && config->privileged);
    for (const char* bad : {"{}", R"({"Cmd":[]})", R"({"Cmd":[""]})", R"({"Cmd":"ls"})",
                            R"({"Cmd":["ls"],"Env":["=1"]})", R"({"Cmd":["ls"],"Tty":1})"})
        EXPECT_EQ(parse_exec(parse_json(bad).value()).error().kind(), ErrorKind::invalid) << bad;
}

}  // namespace
}  // namespace hako::dockerapi
