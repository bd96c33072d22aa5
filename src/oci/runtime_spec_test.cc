#include "oci/runtime_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/capabilities.h"

namespace hako::oci {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Strings = std::vector<std::string>;

RuntimeSettings simple() {
    RuntimeSettings settings;
    settings.id = "0123";
    settings.rootfs = "/run/hako/containers/0123/rootfs";
    settings.hostname = "box";
    settings.process.args = {"echo", "hi"};
    settings.process.env = {"A=1"};
    settings.process.capabilities = {"CAP_KILL"};
    return settings;
}

TEST(RuntimeSpec, Golden) {
    auto spec = make_runtime_spec(simple());
    ASSERT_TRUE(spec) << spec.error().message();
    const Json expected = Json::parse(R"({
      "ociVersion": "1.1.0",
      "hostname": "box",
      "root": {"path": "/run/hako/containers/0123/rootfs", "readonly": false},
      "process": {
        "terminal": false,
        "user": {"uid": 0, "gid": 0},
        "args": ["echo", "hi"],
        "env": ["A=1"],
        "cwd": "/",
        "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"],
                         "permitted": ["CAP_KILL"]},
        "rlimits": [],
        "noNewPrivileges": false
      },
      "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup2", "source": "cgroup",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}
      ],
      "linux": {
        "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                       {"type": "cgroup"}],
        "resources": {"devices": []},
        "cgroupsPath": "/hako/0123",
        "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0",
                   "net.ipv4.ping_group_range": "0 2147483647"},
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore",
                        "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                        "/sys/devices/virtual/powercap"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                          "/proc/sysrq-trigger"]
      }
    })");
    (*spec)["linux"]["resources"]["devices"] = Json::array();  // device_rules_test.cc
    EXPECT_EQ(*spec, expected) << Json::diff(expected, *spec).dump(1);
}

TEST(RuntimeSpec, ResourcesTmpfsAndSysctls) {
    RuntimeSettings settings = simple();
    settings.resources = {
        .memory_limit = 1024, .cpu_quota = 50'000, .cpu_shares = 512, .pids_limit = 9};
    settings.tmpfs = {{"/scratch", "exec,size=1m"}};
    settings.sysctls = {{"kernel.msgmax", "65536"}};
    Json spec = make_runtime_spec(settings).value();
    spec["linux"]["resources"].erase("devices");
    EXPECT_EQ(spec["linux"]["resources"],
              Json::parse(R"({"memory":{"limit":1024},"pids":{"limit":9},
                              "cpu":{"quota":50000,"period":100000,"shares":512}})"));
    EXPECT_EQ(spec["mounts"].back()["options"], (Json{"nosuid", "nodev", "exec", "size=1m"}));
    EXPECT_EQ(spec["linux"]["sysctl"]["kernel.msgmax"], "65536");
    settings.tmpfs = {{"relative", ""}};
    EXPECT_EQ(make_runtime_spec(settings).error().kind(), ErrorKind::invalid);
}

TEST(RuntimeSpec, SharedMemoryIsLeftOutWhereNotWanted) {
    RuntimeSettings settings = simple();
    settings.shared_memory = false;
    EXPECT_THAT(make_runtime_spec(settings)->at("mounts").dump(), Not(HasSubstr("/dev/shm")));
}

TEST(RuntimeSpec, PrivilegedMasksNothing) {
    RuntimeSettings settings = simple();
    settings.privileged = true;
    const Json spec = make_runtime_spec(settings).value();
    EXPECT_TRUE(spec["linux"]["maskedPaths"].empty());
    EXPECT_TRUE(spec["linux"]["readonlyPaths"].empty());
    EXPECT_THAT(spec["mounts"][3]["options"].get<Strings>(), Contains("rw"));
}

TEST(RuntimeSpec, ProcessOfAUser) {
    ProcessSettings process = simple().process;
    process.user = "www:staff";
    process.groups = {"10", "staff"};
    process.rlimits = {{"nofile", 1024, -1}};
    process.tty = true;
    process.console_size = ConsoleSize{80, 24};
    const Json json = make_process(process).value();
    EXPECT_EQ(json["user"]["username"], "www:staff");
    EXPECT_EQ(json["user"]["additionalGids"], Json{10});
    EXPECT_EQ(json["user"]["additionalGroups"], Json{"staff"}) << "for the guest to look up";
    EXPECT_TRUE(json["capabilities"]["effective"].empty()) << "as execve leaves them";
    EXPECT_EQ(json["capabilities"]["bounding"], Json{"CAP_KILL"});
    EXPECT_EQ(json["consoleSize"], Json::parse(R"({"width":80,"height":24})"));
    EXPECT_EQ(json["rlimits"][0]["type"], "RLIMIT_NOFILE");
    EXPECT_EQ(json["rlimits"][0]["hard"], ~std::uint64_t{0});
}

TEST(RuntimeSpec, BadInput) {
    ProcessSettings process = simple().process;
    process.rlimits = {{"rainbows", 1, 1}};
    EXPECT_THAT(make_process(process).error().message(), HasSubstr("rainbows"));
    process.rlimits = {{"nofile", 2, 1}};
    EXPECT_FALSE(make_process(process));
    process = simple().process;
    process.args = {std::string("a\0b", 3)};
    EXPECT_FALSE(make_process(process));
    process = simple().process;
    process.cwd = "here";
    EXPECT_FALSE(make_process(process));
    process = simple().process;
    process.groups = {std::string("a\0b", 3)};
    EXPECT_FALSE(make_process(process));
    process.args.clear();
    EXPECT_EQ(make_process(process).error().message(), "No command specified");
}

TEST(Invocation, DockersRules) {
    const Invocation image{{"/entry"}, {"default"}};
    const auto merged = [&](const Invocation& of, std::optional<Strings> entrypoint,
                            std::optional<Strings> cmd) {
        const Invocation result = merge_invocation(of, entrypoint, cmd).value();
        Strings all = result.entrypoint;
        all.insert(all.end(), result.cmd.begin(), result.cmd.end());
        return all;
    };
    EXPECT_THAT(merged(image, {}, {}), ElementsAre("/entry", "default"));
    EXPECT_THAT(merged(image, {}, Strings{"x"}), ElementsAre("/entry", "x"));
    EXPECT_THAT(merged(image, {}, Strings{}), ElementsAre("/entry", "default"));
    EXPECT_THAT(merged(image, Strings{"/own"}, {}), ElementsAre("/own"));
    EXPECT_THAT(merged(image, Strings{""}, Strings{"x"}), ElementsAre("x"));
    EXPECT_THAT(merged(image, Strings{}, {}), ElementsAre("default"));
    EXPECT_EQ(merge_invocation(image, Strings{""}, {}).error().message(), "No command specified");
    EXPECT_FALSE(merge_invocation({}, {}, {}));
}

TEST(Environment, ReplacesAndRemoves) {
    EXPECT_THAT(merge_environment({"A=1", "B=2", "C=3"}, {"B=x", "D=y", "A", "E"}),
                ElementsAre("B=x", "C=3", "D=y"));
    EXPECT_THAT(process_environment("box", true, {"TERM=dumb"}),
                ElementsAre(HasSubstr("PATH=/usr/local/sbin"), "HOSTNAME=box", "TERM=dumb"));
    EXPECT_THAT(process_environment("box", false, {}), Not(Contains(HasSubstr("TERM"))));
}

TEST(Capabilities, AddAndDrop) {
    EXPECT_EQ(select_capabilities({}, {}, false)->size(), 14U);
    EXPECT_THAT(*select_capabilities({"net_admin"}, {"CAP_CHOWN"}, false),
                testing::AllOf(Contains("CAP_NET_ADMIN"), Not(Contains("CAP_CHOWN"))));
    EXPECT_THAT(*select_capabilities({"KILL"}, {"all"}, false), ElementsAre("CAP_KILL"));
    EXPECT_THAT(*select_capabilities({"ALL"}, {"SYS_ADMIN"}, false),
                Not(Contains("CAP_SYS_ADMIN")));
    EXPECT_EQ(select_capabilities({}, {}, true)->size(), 41U);
    EXPECT_EQ(select_capabilities({"FLY"}, {}, false).error().kind(), ErrorKind::invalid);
}

TEST(RuntimeSpec, MountsInMountsComeAfterThem) {
    RuntimeSettings settings = simple();
    settings.mounts = {{"/data/deep/x", "bind", "/a", {"rbind"}}, {"/data", "bind", "/b", {"ro"}}};
    settings.tmpfs = {{"/data/deep", ""}};
    const Json spec = *make_runtime_spec(settings);
    std::vector<std::string> targets;
    for (const auto& mount : spec["mounts"]) targets.push_back(mount["destination"]);
    EXPECT_EQ(targets.front(), "/proc");
    EXPECT_EQ(std::vector(targets.end() - 3, targets.end()),
              (std::vector<std::string>{"/data", "/data/deep", "/data/deep/x"}));
}

}  // namespace
}  // namespace hako::oci
