// The daemon itself: _ping, version and info.
#include <net/if.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "base/units.h"
#include "base/user_network.h"
#include "dockerapi/routes.h"
#include "dockerapi/version.h"
#include "engine/log_options.h"
#include "oci/platform.h"
#include "oci/reference.h"
#include "volume/volume.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

std::string machine_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.machine : "";
}

Result<void> ping(const Services&, Request&, Response& response) {
    http::Fields& headers = response.headers();
    headers.set("Builder-Version", "1");
    headers.set("Swarm", "inactive");
    headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    headers.set("Pragma", "no-cache");
    return response.send(200, "text/plain; charset=utf-8", "OK");
}

Result<void> version(const Services& services, Request&, Response& response) {
    HAKO_TRY(const auto info, services.system.info());
    const std::string architecture = oci::Platform::host().architecture;
    const Json details = {{"ApiVersion", kMaxVersion.text()},
                          {"MinAPIVersion", kMinVersion.text()},
                          {"Os", "linux"},
                          {"Arch", architecture},
                          {"KernelVersion", info.kernel_release},
                          {"Experimental", "false"}};
    Json answer = {{"Platform", {{"Name", "hako"}}},
                   {"Version", HAKO_VERSION},
                   {"ApiVersion", kMaxVersion.text()},
                   {"MinAPIVersion", kMinVersion.text()},
                   {"GitCommit", ""},
                   {"GoVersion", ""},
                   {"Os", "linux"},
                   {"Arch", architecture},
                   {"KernelVersion", info.kernel_release},
                   {"BuildTime", ""}};
    answer["Components"] =
        Json::array({{{"Name", "Engine"}, {"Version", HAKO_VERSION}, {"Details", details}}});
    return response.send_json(200, answer);
}

// Whose rights the daemon has: root's, or an ordinary user's, who may have a namespace to be root
// in.
std::string privileges() {
    if (::geteuid() != 0) return "ordinary user without networks";
    const auto map = read_file("/proc/self/uid_map");
    unsigned long inside = 0;
    unsigned long outside = 0;
    const bool read = map && std::sscanf(map->c_str(), "%lu %lu", &inside, &outside) == 2;
    return read && inside == 0 && outside != 0 ? "rootless" : "root";
}

bool has_user_network() { return ::if_nametoindex(kUserNetworkLink) != 0; }

Json security_options() {
    Json options = Json::array({"name=seccomp,profile=builtin", "name=cgroupns"});
    if (privileges() != "root") options.push_back("name=rootless");
    return options;
}

// The DriverStatus of `docker info`: pairs of texts.
Json facts(const engine::SystemInfo& info) {
    const std::string accelerator = info.accelerator.empty() ? "not probed yet" : info.accelerator;
    Json pairs = Json::array();
    pairs.push_back(Json::array({"Accelerator", accelerator}));
    if (!info.accelerator_reason.empty())
        pairs.push_back(Json::array({"Accelerator Reason", info.accelerator_reason}));
    pairs.push_back(Json::array({"Privileges", privileges()}));
    if (has_user_network()) pairs.push_back(Json::array({"Way Out", "QEMU's user network"}));
    return pairs;
}

Json warnings(const engine::SystemInfo& info) {
    Json list = Json::array();
    if (info.accelerator == "tcg")
        list.push_back("WARNING: no usable KVM, machines run in slow software emulation: " +
                       info.accelerator_reason);
    if (has_user_network())
        list.push_back(
            "WARNING: pasta is missing: containers reach the outside by QEMU's user network, and "
            "published ports are not open on the host: install the package passt");
    return list;
}

// What `docker info` tells of registries.
Json registries(const oci::RegistryOptions& options) {
    Json networks = Json::array({"127.0.0.0/8", "::1/128"});
    Json hosts = Json::object();
    const auto host = [&](const std::string& name) -> Json& {
        auto& entry = hosts[name];
        if (entry.is_null())
            entry = {{"Name", name},
                     {"Mirrors", Json::array()},
                     {"Secure", true},
                     {"Official", name == oci::kDefaultDomain}};
        return entry;
    };
    for (const auto& [name, mirrors] : options.mirrors) host(name)["Mirrors"] = mirrors;
    for (const auto& name : options.insecure) {
        if (name.find('/') != std::string::npos) networks.push_back(name);
        else host(name)["Secure"] = false;
    }
    const auto hub = options.mirrors.find(std::string(oci::kDefaultDomain));
    return {{"InsecureRegistryCIDRs", networks},
            {"IndexConfigs", hosts},
            {"Mirrors", hub == options.mirrors.end() ? Json::array() : Json(hub->second)}};
}

Json drivers() {
    return {{"Volume", Json::array({volume::kBlock, volume::kLocal})},
            {"Network", Json::array({"bridge", "host", "macvlan", "null"})},
            {"Authorization", nullptr},
            {"Log", engine::log_drivers()}};
}

Result<void> info(const Services& services, Request&, Response& response) {
    HAKO_TRY(const auto info, services.system.info());
    const Json none = nullptr;
    return response.send_json(200, {{"ID", info.id},
                                    {"Containers", info.containers},
                                    {"ContainersRunning", info.running},
                                    {"ContainersPaused", info.paused},
                                    {"ContainersStopped", info.stopped},
                                    {"Images", info.images},
                                    {"Driver", "erofs"},
                                    {"DriverStatus", facts(info)},
                                    {"Plugins", drivers()},
                                    {"MemoryLimit", true},
                                    {"SwapLimit", false},
                                    {"CpuCfsPeriod", true},
                                    {"CpuCfsQuota", true},
                                    {"CPUShares", true},
                                    {"CPUSet", true},
                                    {"PidsLimit", true},
                                    {"IPv4Forwarding", true},
                                    {"BridgeNfIptables", false},
                                    {"BridgeNfIp6tables", false},
                                    {"OomKillDisable", false},
                                    {"Debug", false},
                                    {"NFd", 0},
                                    {"NGoroutines", 0},
                                    {"NEventsListener", 0},
                                    {"SystemTime", format_time(now())},
                                    {"LoggingDriver", "json-file"},
                                    {"CgroupDriver", "none"},
                                    {"CgroupVersion", "2"},
                                    {"KernelVersion", info.kernel_release},
                                    {"OperatingSystem", info.os_name},
                                    {"OSVersion", ""},
                                    {"OSType", "linux"},
                                    {"Architecture", machine_name()},
                                    {"IndexServerAddress", "https://index.docker.io/v1/"},
                                    {"RegistryConfig", registries(services.registries)},
                                    {"NCPU", info.cpus},
                                    {"MemTotal", info.memory},
                                    {"GenericResources", none},
                                    {"DockerRootDir", info.root},
                                    {"HttpProxy", ""},
                                    {"HttpsProxy", ""},
                                    {"NoProxy", ""},
                                    {"Name", info.host_name},
                                    {"Labels", Json::array()},
                                    {"ExperimentalBuild", false},
                                    {"ServerVersion", HAKO_VERSION},
                                    {"Runtimes", {{"hako", {{"path", "hako-shim"}}}}},
                                    {"DefaultRuntime", "hako"},
                                    {"Swarm",
                                     {{"NodeID", ""},
                                      {"NodeAddr", ""},
                                      {"LocalNodeState", "inactive"},
                                      {"ControlAvailable", false},
                                      {"Error", ""},
                                      {"RemoteManagers", none}}},
                                    {"LiveRestoreEnabled", true},
                                    {"Isolation", ""},
                                    {"InitBinary", ""},
                                    {"SecurityOptions", security_options()},
                                    {"Warnings", warnings(info)}});
}

}  // namespace

void add_system_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/_ping", ping);
    routes.add("GET", "/version", version);
    routes.add("GET", "/info", info);
}

}  // namespace hako::dockerapi
