#include "engine/macos.h"

#include <gmock/gmock.h>

#include "macos/machine_request.h"

namespace hako::engine {
namespace {

using ::testing::HasSubstr;

Container machine(std::vector<std::string> env) {
    Container container;
    container.id = std::string(64, 'a');
    container.name = "mac";
    container.config.image = "dockurr/macos";
    container.config.env = std::move(env);
    return container;
}

macos::MachineRequest request_of(const runtime::SandboxSpec& sandbox) {
    return macos::machine_request_of(sandbox.container.oci_spec).value();
}

const vmm::ProbeResult kKvm{.accelerator = vmm::Accelerator::kvm};
const vmm::ProbeResult kNoKvm{.accelerator = vmm::Accelerator::tcg, .reason = "it hangs"};
const Layout kLayout("/root", "/run");

TEST(MacosTest, AWrongVariableIsNamed) {
    auto container = machine({"VERSION=9"});
    const auto completed = complete_macos(container);
    ASSERT_FALSE(completed);
    EXPECT_EQ(completed.error().kind(), ErrorKind::invalid);
    EXPECT_THAT(completed.error().message(), HasSubstr("VERSION=9"));
    auto relative = machine({"RECOVERY=base.dmg"});
    EXPECT_THAT(complete_macos(relative).error().message(), HasSubstr("whole path"));
    auto absent = machine({"RECOVERY=/nowhere.dmg"});
    EXPECT_EQ(complete_macos(absent).error().kind(), ErrorKind::not_found);
}

TEST(MacosTest, TheStopOutlastsTheGuestsBudget) {
    auto container = machine({"TIMEOUT=60"});
    ASSERT_TRUE(complete_macos(container));
    EXPECT_EQ(container.config.stop_timeout, 75);
    EXPECT_EQ(container.config.labels["io.hako.macos.version"], "14");
    container = machine({"TIMEOUT=60"});
    container.config.stop_timeout = 5;
    ASSERT_TRUE(complete_macos(container));
    EXPECT_EQ(container.config.stop_timeout, 5);
}

TEST(MacosTest, LimitsCountWhereVariablesSayNothing) {
    auto container = machine({"CPU_CORES=2"});
    container.host_config.memory = 5ULL << 30U;
    container.host_config.nano_cpus = 4'000'000'000;
    const auto sandbox = make_macos_sandbox(container, kKvm, kLayout).value();
    EXPECT_EQ(sandbox.machine.cpus, 2U);
    EXPECT_EQ(request_of(sandbox).variables.at("RAM_SIZE"), "5120M");
    EXPECT_EQ(request_of(sandbox).variables.at("CPU_CORES"), "2");
}

TEST(MacosTest, TooLittleMemoryIsToldAsItWasGiven) {
    auto container = machine({});
    container.host_config.memory = 1ULL << 30U;
    EXPECT_THAT(complete_macos(container).error().message(), HasSubstr("--memory 4g"));
    container.config.env = {"RAM_SIZE=4G"};
    EXPECT_TRUE(complete_macos(container));
}

TEST(MacosTest, TheShimIsToldWhereThingsAre) {
    const auto sandbox =
        make_macos_sandbox(machine({"RECOVERY=/srv/base.dmg"}), kKvm, kLayout).value();
    const auto request = request_of(sandbox);
    EXPECT_EQ(request.storage, "/root/containers/" + std::string(64, 'a') + "/storage");
    EXPECT_EQ(request.cache, "/root/macos");
    EXPECT_EQ(request.recovery, "/srv/base.dmg");
    EXPECT_EQ(request.api, "unix:///run/docker.sock");
    ASSERT_EQ(request.viewer.size(), 1U);
    EXPECT_EQ(request.viewer[0].address, "127.0.0.1");
    EXPECT_EQ(sandbox.folder, "/run/vm/aaaaaaaaaaaa");
    // As the file carries it.
    const auto copy = runtime::sandbox_spec_from_json(to_json(sandbox)).value();
    EXPECT_EQ(copy.container.oci_spec, sandbox.container.oci_spec);
    EXPECT_TRUE(copy.machine.kernel.empty()) << "so it is no Linux guest";
}

TEST(MacosTest, WhatIsMountedIsForItsShim) {
    auto container = machine({});
    container.mounts = {{.source = "/srv/disks", .target = "/storage"},
                        {.source = "/srv", .target = "/shared", .subpath = "files"},
                        {.source = "/srv/oc", .target = "/opencore"},
                        {.source = "/srv/a.dmg", .target = "/boot.dmg"},
                        {.source = "/srv/c.plist", .target = "/custom.plist"},
                        {.source = "/srv/x.img", .target = "/disk3"},
                        {.source = "/srv", .target = "/else"}};
    const auto request = request_of(make_macos_sandbox(container, kKvm, kLayout).value());
    EXPECT_EQ(request.storage, "/srv/disks");
    EXPECT_EQ(request.share, "/srv/files");
    EXPECT_EQ(request.opencore, "/srv/oc");
    EXPECT_EQ(request.recovery, "/srv/a.dmg");
    EXPECT_EQ(request.custom_config, "/srv/c.plist");
    EXPECT_EQ(request.variables.at("DEVICE3"), "/srv/x.img");
}

TEST(MacosTest, AMountThatCannotBeIsRefused) {
    const auto refusal = [](const MountPoint& mount) {
        std::vector<std::string> warnings;
        const auto checked = check_macos_mounts({mount}, warnings);
        return checked ? std::string() : checked.error().message();
    };
    EXPECT_EQ(refusal({.source = "/tmp", .target = "/storage"}), "");
    EXPECT_THAT(refusal({.source = "/tmp", .target = "/storage", .read_only = true}),
                HasSubstr("without ro"));
    EXPECT_THAT(refusal({.source = "/etc/passwd", .target = "/storage"}),
                HasSubstr("is no folder"));
    EXPECT_THAT(refusal({.source = "/tmp", .target = "/boot.dmg"}), HasSubstr("is a folder"));
    EXPECT_THAT(refusal({.source = "/tmp", .target = "/disk1"}), HasSubstr("is a folder"));
    EXPECT_THAT(refusal({.type = MountType::tmpfs, .target = "/storage"}), HasSubstr("no tmpfs"));
    EXPECT_THAT(refusal({.source = "/tmp", .target = "/storage", .driver = "block"}),
                HasSubstr("no block volume"));
    std::vector<std::string> warnings;
    ASSERT_TRUE(check_macos_mounts({{.source = "/tmp", .target = "/data"}}, warnings));
    EXPECT_THAT(warnings, testing::ElementsAre(HasSubstr("/data: macOS sees nothing of it")));
}

// As its shim is told, and what is published.
std::pair<macos::MachineRequest, std::vector<PublishedPort>> publish(const Container& container) {
    auto sandbox = make_macos_sandbox(container, kKvm, kLayout).value();
    auto published = publish_macos(container, sandbox).value();
    return {request_of(sandbox), std::move(published)};
}

TEST(MacosTest, TheViewerIsAtAllAddressesThatItIsPublishedAt) {
    auto container = machine({"WEB_PORT=8006"});
    container.host_config.port_bindings = {{"8006/tcp", "127.0.0.1", "18006"},
                                           {"8006/tcp", "127.0.0.2", "18007"},
                                           {"22/tcp", "127.0.0.1", "0"}};
    const auto [request, ports] = publish(container);
    ASSERT_EQ(request.viewer.size(), 2U);
    EXPECT_EQ(request.viewer[1].address, "127.0.0.2");
    EXPECT_EQ(request.viewer[1].port, 18007);
    ASSERT_EQ(ports.size(), 3U);
    EXPECT_EQ(ports[0].host_ip, "127.0.0.1");
    EXPECT_EQ(ports[0].host_port, "18006");
    ASSERT_EQ(request.ports.size(), 1U);
    EXPECT_NE(request.ports[0].host, 0) << "a free one";
    EXPECT_EQ(ports[2].host_port, std::to_string(request.ports[0].host));
}

TEST(MacosTest, WithoutAViewerItsPortIsOneLikeOthers) {
    auto container = machine({"DISPLAY=none"});
    container.host_config.port_bindings = {{"8006/tcp", "127.0.0.1", "18006"}};
    EXPECT_EQ(publish(container).first.ports.size(), 1U);
}

TEST(MacosTest, OnTheLanNothingIsPublishedButTheViewer) {
    auto container = machine({"DHCP=Y", "USER_PORTS=18022:22"});
    container.host_config.port_bindings = {{"8006/tcp", "127.0.0.1", "18006"},
                                           {"5900/tcp", "127.0.0.1", "15900"}};
    const auto [request, ports] = publish(container);
    EXPECT_TRUE(request.ports.empty());
    EXPECT_EQ(request.viewer[0].port, 18006);
    EXPECT_EQ(ports.size(), 1U);
}

TEST(MacosTest, OnNoNetworkThereIsNoWayIntoTheGuest) {
    auto container = machine({"NETWORK=user", "USER_PORTS=18022:22"});
    container.host_config.network_mode = "none";
    container.host_config.port_bindings = {{"8006/tcp", "127.0.0.1", "18006"},
                                           {"5900/tcp", "127.0.0.1", "15900"}};
    const auto [request, ports] = publish(container);
    EXPECT_EQ(request.variables.at("NETWORK"), "N");
    EXPECT_TRUE(request.ports.empty());
    EXPECT_TRUE(ports.empty());
    EXPECT_EQ(request.viewer[0].port, 0);
}

TEST(MacosTest, WhatIsPublishedNeedsNoUserPort) {
    auto container = machine({"USER_PORTS=18022:22,15900:5900"});
    container.host_config.port_bindings = {{"22/tcp", "127.0.0.2", "18022"}};
    const auto [request, ports] = publish(container);
    ASSERT_EQ(request.ports.size(), 2U);
    EXPECT_EQ(request.ports[0].address, "127.0.0.2");
    EXPECT_EQ(request.ports[1].guest, 5900);
    EXPECT_EQ(ports.size(), 1U) << "Docker's clients are told of what they published";
}

TEST(MacosTest, APortInUseIsNamed) {
    auto container = machine({});
    container.host_config.port_bindings = {{"8006/tcp", "127.0.0.1", "18006"},
                                           {"8006/tcp", "127.0.0.1", "18006"}};
    auto sandbox = make_macos_sandbox(container, kKvm, kLayout).value();
    const auto refused = publish_macos(container, sandbox);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("127.0.0.1:18006"));
}

TEST(MacosTest, DisksAreWorkedOnWhileItIsStopped) {
    const auto works = [](const Container& container, std::vector<std::string> words) {
        return works_while_stopped(container, {.cmd = std::move(words)});
    };
    EXPECT_TRUE(works(machine({}), {"restore", "clean"}));
    EXPECT_FALSE(works(machine({}), {"screenshot"}));
    auto other = machine({});
    other.config.image = "debian";
    EXPECT_FALSE(works(other, {"restore", "clean"}));
}

TEST(MacosTest, WithoutKvmEmulationMustBeAskedFor) {
    const auto refused = make_macos_sandbox(machine({}), kNoKvm, kLayout);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("it hangs"));
    EXPECT_THAT(refused.error().message(), HasSubstr("KVM=N"));
    EXPECT_TRUE(make_macos_sandbox(machine({"KVM=N"}), kNoKvm, kLayout));
}

TEST(MacosTest, AnImageHasNoSayButTheVersion) {
    images::Image image;
    image.config.env = {"ARGUMENTS=-drive file=/etc/shadow", "VERSION=11", "PATH=/bin"};
    EXPECT_THAT(macos_image(image).config.env, testing::ElementsAre("VERSION=11"));
}

}  // namespace
}  // namespace hako::engine
