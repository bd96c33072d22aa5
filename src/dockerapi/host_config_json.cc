// HostConfig as inspect shows it.
#include "dockerapi/container_json.h"
#include "oci/runtime_spec.h"

namespace hako::dockerapi {
namespace {

// A value by which clients say that they leave the matter to the engine.
bool says_nothing(const std::string& name, const Json& value) {
    if (value.is_null()) return true;
    if (name == "Init" || name == "MaskedPaths" || name == "ReadonlyPaths") return false;
    if (name == "MemorySwappiness" || name == "PidsLimit") return value == -1 || value == 0;
    if (value.is_boolean()) return !value.get<bool>();
    if (value.is_number()) return value == 0;
    return value.empty() || value == "";
}

Json log_config(const engine::Container& container) {
    const auto& driver = container.host_config.log_driver;
    return {{"Type", driver.empty() ? "json-file" : driver},
            {"Config", container.host_config.log_options}};
}

}  // namespace

Json as_sent(const std::string& text) {
    auto json = parse_json(text);
    return json && json->is_object() ? *std::move(json) : Json::object();
}

std::string network_mode(const engine::Container& container) {
    const auto& mode = container.host_config.network_mode;
    return mode.empty() || mode == "default" ? "bridge" : mode;  // as Docker since 28
}

Json host_config_details(const engine::Container& container) {
    const Json none = nullptr;
    const Json list = Json::array();
    const Json object = Json::object();
    Json json = {{"Binds", none},
                 {"ContainerIDFile", ""},
                 {"NetworkMode", network_mode(container)},
                 {"PortBindings", object},
                 {"RestartPolicy", {{"Name", "no"}, {"MaximumRetryCount", 0}}},
                 {"AutoRemove", false},
                 {"VolumeDriver", ""},
                 {"VolumesFrom", none},
                 {"ConsoleSize", {0, 0}},
                 {"CapAdd", none},
                 {"CapDrop", none},
                 {"CgroupnsMode", "private"},
                 {"Dns", list},
                 {"DnsOptions", list},
                 {"DnsSearch", list},
                 {"ExtraHosts", none},
                 {"GroupAdd", none},
                 {"IpcMode", "private"},
                 {"Cgroup", ""},
                 {"Links", none},
                 {"OomScoreAdj", 0},
                 {"PidMode", ""},
                 {"Privileged", false},
                 {"PublishAllPorts", false},
                 {"ReadonlyRootfs", false},
                 {"SecurityOpt", none},
                 {"UTSMode", ""},
                 {"UsernsMode", ""},
                 {"ShmSize", 64 * kMiB},
                 {"Runtime", "hako"},
                 {"Isolation", ""},
                 {"CpuShares", 0},
                 {"Memory", 0},
                 {"NanoCpus", 0},
                 {"CgroupParent", ""},
                 {"BlkioWeight", 0},
                 {"BlkioWeightDevice", list},
                 {"BlkioDeviceReadBps", list},
                 {"BlkioDeviceWriteBps", list},
                 {"BlkioDeviceReadIOps", list},
                 {"BlkioDeviceWriteIOps", list},
                 {"CpuPeriod", 0},
                 {"CpuQuota", 0},
                 {"CpuRealtimePeriod", 0},
                 {"CpuRealtimeRuntime", 0},
                 {"CpusetCpus", ""},
                 {"CpusetMems", ""},
                 {"Devices", list},
                 {"DeviceCgroupRules", none},
                 {"DeviceRequests", none},
                 {"MemoryReservation", 0},
                 {"MemorySwap", 0},
                 {"MemorySwappiness", none},
                 {"OomKillDisable", none},
                 {"PidsLimit", none},
                 {"Ulimits", list},
                 {"CpuCount", 0},
                 {"CpuPercent", 0},
                 {"IOMaximumIOps", 0},
                 {"IOMaximumBandwidth", 0},
                 {"MaskedPaths", none},
                 {"ReadonlyPaths", none}};
    if (!container.host_config.privileged) {
        json["MaskedPaths"] = oci::default_masked_paths();
        json["ReadonlyPaths"] = oci::default_readonly_paths();
    }
    const Json sent = as_sent(container.host_config_json);
    for (const auto& [name, value] : sent.items())
        if (!says_nothing(name, value)) json[name] = value;
    json["NetworkMode"] = network_mode(container);
    if (container.host_config.restart_policy.empty()) json["RestartPolicy"]["Name"] = "no";
    json["LogConfig"] = log_config(container);
    // Memory and swap together: a VM has none.
    if (json["MemorySwap"] == 0) json["MemorySwap"] = json["Memory"];
    return json;
}

}  // namespace hako::dockerapi
