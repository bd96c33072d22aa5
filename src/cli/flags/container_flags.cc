#include "cli/flags/container_flags.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "base/units.h"
#include "cli/flags/values.h"
#include "cli/pull.h"

namespace hako::cli {
namespace {

// Where the SSH agent's socket is in a container, as with other engines that run VMs.
constexpr const char* kSshAgent = "/run/host-services/ssh-auth.sock";

}  // namespace

void ContainerFlags::text(Command& command, std::string_view names, const char* field,
                          std::string_view help) {
    command.option(names, "string", help, [this, field](const std::string& value) -> Result<void> {
        at(field) = value;
        return {};
    });
}

void ContainerFlags::list(Command& command, std::string_view names, const char* field,
                          std::string_view help) {
    command.option(names, "list", help, [this, field](const std::string& value) -> Result<void> {
        at(field).push_back(value);
        return {};
    });
}

void ContainerFlags::pairs(Command& command, std::string_view names, const char* field,
                           std::string_view help) {
    command.option(names, "map", help, [this, field](const std::string& value) -> Result<void> {
        auto [key, text] = split_pair(value);
        if (key.empty()) return fail(ErrorKind::invalid, "write KEY=VALUE");
        at(field)[key] = text;
        return {};
    });
}

void ContainerFlags::number(Command& command, std::string_view names, const char* field,
                            std::string_view help) {
    command.option(names, "int", help, [this, field](const std::string& value) -> Result<void> {
        const auto parsed = parse_json(value);
        if (!parsed || !parsed->is_number_integer())
            return fail(ErrorKind::invalid, "it is not a whole number");
        at(field) = *parsed;
        return {};
    });
}

void ContainerFlags::bytes(Command& command, std::string_view names, const char* field,
                           std::string_view help) {
    command.option(names, "bytes", help, [this, field](const std::string& value) -> Result<void> {
        if (value == "-1") {
            at(field) = -1;
            return {};
        }
        HAKO_TRY(at(field), parse_bytes(value));
        return {};
    });
}

void ContainerFlags::duration(Command& command, std::string_view names, const char* field,
                              std::string_view help) {
    command.option(names, "duration", help,
                   [this, field](const std::string& value) -> Result<void> {
                       HAKO_TRY(const auto parsed, parse_duration(value));
                       at(field) = parsed.count();
                       return {};
                   });
}

void ContainerFlags::onoff(Command& command, std::string_view names, const char* field,
                           std::string_view help) {
    switches_.push_back(std::make_unique<Switch>(Switch{field}));
    command.flag(names, switches_.back()->value, help);
}

void ContainerFlags::declare(Command& command) {
    command.option("--name", name, "Assign a name to the container");
    platform = default_platform();
    command.option("--platform", platform, "Set platform if the image has several");
    command.option("--pull", "string", "Pull image before running (always, missing, never)",
                   [this](const std::string& value) -> Result<void> {
                       if (value != "always" && value != "missing" && value != "never")
                           return fail(ErrorKind::invalid, "it is not always, missing or never");
                       pull = value;
                       return {};
                   });
    command.option("--cidfile", cidfile, "Write the container ID to the file")
        .completes(Completes::files);
    command.flag("-q,--quiet", quiet, "Suppress the pull output");
    command.flag("-t,--tty", tty, "Allocate a pseudo-TTY");
    command.flag("-i,--interactive", interactive, "Keep STDIN open even if not attached");
    command.flag("--rm", remove, "Remove the container when it exits");
    command.option("-a,--attach", "list", "Attach to STDIN, STDOUT or STDERR",
                   [this](const std::string& value) -> Result<void> {
                       std::string stream = to_lower(value);
                       if (stream != "stdin" && stream != "stdout" && stream != "stderr")
                           return fail(ErrorKind::invalid,
                                       "valid streams are STDIN, STDOUT and "
                                       "STDERR");
                       attach.push_back(std::move(stream));
                       return {};
                   });
    command.option("--kernel", "string", "Guest kernel, by its name in `hako kernel ls`",
                   [this](const std::string& value) -> Result<void> {
                       at("/HostConfig/Annotations")["io.hako.kernel"] = value;
                       return {};
                   });
    command.completes(Completes::kernels);
    pairs(command, "--annotation", "/HostConfig/Annotations", "Add an annotation to the container");
    declare_process(command);
    declare_limits(command);
    declare_security(command);
    declare_health(command);
    declare_network(command);
    declare_storage(command);
}

void ContainerFlags::declare_process(Command& command) {
    command.option("-e,--env", environment_, "Set environment variables");
    command.option("--env-file", environment_files_, "Read in a file of environment variables")
        .completes(Completes::files);
    pairs(command, "-l,--label", "/Labels", "Set meta data on a container");
    command.option("--label-file", label_files_, "Read in a line delimited file of labels")
        .completes(Completes::files);
    text(command, "-w,--workdir", "/WorkingDir", "Working directory inside the container");
    text(command, "-u,--user", "/User", "Username or UID (format: <name|uid>[:<group|gid>])");
    text(command, "-h,--hostname", "/Hostname", "Container host name");
    text(command, "--domainname", "/Domainname", "Container NIS domain name");
    command.option("--entrypoint", "string", "Overwrite the default ENTRYPOINT of the image",
                   [this](const std::string& value) -> Result<void> {
                       // One empty entry says: none, not the image's.
                       at("/Entrypoint") = Json::array({value});
                       return {};
                   });
    text(command, "--stop-signal", "/StopSignal", "Signal to stop the container");
    number(command, "--stop-timeout", "/StopTimeout", "Timeout (in seconds) to stop a container");
    command.option("--restart", "string", "Restart policy to apply when a container exits",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(at("/HostConfig/RestartPolicy"), parse_restart_policy(value));
                       return {};
                   });
    onoff(command, "--init", "/HostConfig/Init",
          "Run an init inside the container that forwards signals and reaps processes");
    text(command, "--log-driver", "/HostConfig/LogConfig/Type", "Logging driver for the container");
    pairs(command, "--log-opt", "/HostConfig/LogConfig/Config", "Log driver options");
    text(command, "--runtime", "/HostConfig/Runtime", "Runtime to use for this container");
}

void ContainerFlags::declare_limits(Command& command) {
    bytes(command, "-m,--memory", "/HostConfig/Memory", "Memory limit");
    bytes(command, "--memory-reservation", "/HostConfig/MemoryReservation", "Memory soft limit");
    bytes(command, "--memory-swap", "/HostConfig/MemorySwap",
          "Swap limit equal to memory plus swap: -1 to enable unlimited swap");
    command.option("--cpus", "decimal", "Number of CPUs",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(at("/HostConfig/NanoCpus"), parse_cpus(value));
                       return {};
                   });
    text(command, "--cpuset-cpus", "/HostConfig/CpusetCpus",
         "CPUs in which to allow execution (0-3, 0,1)");
    text(command, "--cpuset-mems", "/HostConfig/CpusetMems",
         "MEMs in which to allow execution (0-3, 0,1)");
    number(command, "-c,--cpu-shares", "/HostConfig/CpuShares", "CPU shares (relative weight)");
    number(command, "--cpu-period", "/HostConfig/CpuPeriod", "Limit CPU CFS period");
    number(command, "--cpu-quota", "/HostConfig/CpuQuota", "Limit CPU CFS quota");
    number(command, "--pids-limit", "/HostConfig/PidsLimit",
           "Tune container pids limit (set -1 for unlimited)");
    command.option("--ulimit", "ulimit", "Ulimit options",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(auto limit, parse_ulimit(value));
                       at("/HostConfig/Ulimits").push_back(std::move(limit));
                       return {};
                   });
    bytes(command, "--shm-size", "/HostConfig/ShmSize", "Size of /dev/shm");
    onoff(command, "--oom-kill-disable", "/HostConfig/OomKillDisable", "Disable OOM Killer");
    number(command, "--oom-score-adj", "/HostConfig/OomScoreAdj",
           "Tune host's OOM preferences (-1000 to 1000)");
}

void ContainerFlags::declare_security(Command& command) {
    onoff(command, "--privileged", "/HostConfig/Privileged",
          "Give extended privileges to this container");
    list(command, "--cap-add", "/HostConfig/CapAdd", "Add Linux capabilities");
    list(command, "--cap-drop", "/HostConfig/CapDrop", "Drop Linux capabilities");
    list(command, "--group-add", "/HostConfig/GroupAdd", "Add additional groups to join");
    command.option("--security-opt", "list", "Security options",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(auto option, parse_security_option(value));
                       at("/HostConfig/SecurityOpt").push_back(std::move(option));
                       return {};
                   });
    pairs(command, "--sysctl", "/HostConfig/Sysctls", "Sysctl options");
    onoff(command, "--read-only", "/HostConfig/ReadonlyRootfs",
          "Mount the container's root filesystem as read only");
    text(command, "--pid", "/HostConfig/PidMode", "PID namespace to use");
    text(command, "--ipc", "/HostConfig/IpcMode", "IPC mode to use");
    text(command, "--uts", "/HostConfig/UTSMode", "UTS namespace to use");
    text(command, "--userns", "/HostConfig/UsernsMode", "User namespace to use");
    text(command, "--cgroupns", "/HostConfig/CgroupnsMode",
         "Cgroup namespace to use (host|private)");
    command.option("--device", "list", "Add a host device to the container",
                   [this](const std::string& value) -> Result<void> {
                       // As CDI has names: hako/usb=046d:c52b.
                       if (!value.starts_with('/') && value.find('=') != std::string::npos) {
                           cdi_devices_.push_back(value);
                           return {};
                       }
                       HAKO_TRY(auto device, parse_device(value));
                       at("/HostConfig/Devices").push_back(std::move(device));
                       return {};
                   });
    list(command, "--device-cgroup-rule", "/HostConfig/DeviceCgroupRules",
         "Add a rule to the cgroup allowed devices list");
}

void ContainerFlags::declare_health(Command& command) {
    command.option("--health-cmd", "string", "Command to run to check health",
                   [this](const std::string& value) -> Result<void> {
                       at("/Healthcheck/Test") = Json::array({"CMD-SHELL", value});
                       return {};
                   });
    duration(command, "--health-interval", "/Healthcheck/Interval",
             "Time between running the check (ms|s|m|h)");
    duration(command, "--health-timeout", "/Healthcheck/Timeout",
             "Maximum time to allow one check to run (ms|s|m|h)");
    duration(command, "--health-start-period", "/Healthcheck/StartPeriod",
             "Time for the container to start before failures count (ms|s|m|h)");
    duration(command, "--health-start-interval", "/Healthcheck/StartInterval",
             "Time between checks during the start period (ms|s|m|h)");
    number(command, "--health-retries", "/Healthcheck/Retries",
           "Consecutive failures needed to report unhealthy");
    command.flag("--no-healthcheck", no_healthcheck_,
                 "Disable any container-specified HEALTHCHECK");
}

void ContainerFlags::declare_network(Command& command) {
    command.option("--network,--net", "network", "Connect a container to a network",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(auto network, parse_network_flag(value));
                       networks_.push_back(std::move(network));
                       return {};
                   });
    endpoint(command, "--ip", "/IPAMConfig/IPv4Address", "IPv4 address (172.30.100.104)");
    endpoint(command, "--ip6", "/IPAMConfig/IPv6Address", "IPv6 address (2001:db8::33)");
    endpoint(command, "--mac-address", "/MacAddress", "Container MAC address");
    command.option("--network-alias,--net-alias", "list",
                   "Add network-scoped alias for the container",
                   [this](const std::string& value) -> Result<void> {
                       endpoint_["Aliases"].push_back(value);
                       return {};
                   });
    command.option("-p,--publish", "list", "Publish a container's port(s) to the host",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(const auto ports, parse_publish(value));
                       for (const auto& port : ports) {
                           at("/ExposedPorts")[port.container] = Json::object();
                           at("/HostConfig/PortBindings")[port.container].push_back(
                               {{"HostIp", port.address}, {"HostPort", port.host}});
                       }
                       return {};
                   });
    onoff(command, "-P,--publish-all", "/HostConfig/PublishAllPorts",
          "Publish all exposed ports to random ports");
    command.option("--expose", "list", "Expose a port or a range of ports",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(const auto ports, parse_expose(value));
                       for (const auto& port : ports) at("/ExposedPorts")[port] = Json::object();
                       return {};
                   });
    list(command, "--add-host", "/HostConfig/ExtraHosts",
         "Add a custom host-to-IP mapping (host:ip)");
    list(command, "--dns", "/HostConfig/Dns", "Set custom DNS servers");
    list(command, "--dns-option", "/HostConfig/DnsOptions", "Set DNS options");
    list(command, "--dns-search", "/HostConfig/DnsSearch", "Set custom DNS search domains");
    list(command, "--link", "/HostConfig/Links", "Add link to another container");
}

void ContainerFlags::declare_storage(Command& command) {
    command.option("--tmpfs", "list", "Mount a tmpfs directory",
                   [this](const std::string& value) -> Result<void> {
                       const auto colon = value.find(':');
                       at("/HostConfig/Tmpfs")[value.substr(0, colon)] =
                           colon == std::string::npos ? "" : value.substr(colon + 1);
                       return {};
                   });
    command.option("-v,--volume", "list", "Bind mount a volume",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(const auto volume, parse_volume(value));
                       if (volume.find(':') == std::string::npos)
                           at("/Volumes")[volume] = Json::object();
                       else at("/HostConfig/Binds").push_back(volume);
                       return {};
                   });
    command.option("--mount", "mount", "Attach a filesystem mount to the container",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(auto mount, parse_mount(value));
                       at("/HostConfig/Mounts").push_back(std::move(mount));
                       return {};
                   });
    command.option("--publish-socket", "list",
                   "Publish a unix socket of the container on the host (HOST:CONTAINER)",
                   [this](const std::string& value) -> Result<void> {
                       HAKO_TRY(const auto pair, parse_published_socket(value));
                       Json& list = at("/HostConfig/Annotations")["io.hako.publish-socket"];
                       list = list.is_null() ? pair : list.get<std::string>() + ',' + pair;
                       return {};
                   });
    command.flag("--ssh", ssh_, "Forward the SSH agent of SSH_AUTH_SOCK into the container");
    list(command, "--volumes-from", "/HostConfig/VolumesFrom",
         "Mount volumes from the specified container(s)");
    text(command, "--volume-driver", "/HostConfig/VolumeDriver",
         "Optional volume driver for the container");
    pairs(command, "--storage-opt", "/HostConfig/StorageOpt",
          "Storage driver options for the container");
}

void ContainerFlags::endpoint(Command& command, std::string_view names, const char* field,
                              std::string_view help) {
    command.option(names, "string", help, [this, field](const std::string& value) -> Result<void> {
        endpoint_[Json::json_pointer(field)] = value;
        return {};
    });
}

// The first network is the container's mode, and the flags beside --network are about it.
void ContainerFlags::add_networks(Json& body) const {
    if (networks_.empty() && endpoint_.empty()) return;
    auto networks = networks_;
    if (networks.empty()) networks.push_back({"default", Json::object()});
    Json& first = networks.front().endpoint;
    for (const auto& alias : endpoint_.value("Aliases", Json::array()))
        first["Aliases"].push_back(alias);
    for (const auto& [key, value] : endpoint_.items())
        if (key != "Aliases") first[key] = value;
    if (!networks_.empty()) body["HostConfig"]["NetworkMode"] = networks.front().name;
    if (networks.size() == 1 && networks.front().endpoint.empty()) return;
    for (const auto& network : networks)
        body["NetworkingConfig"]["EndpointsConfig"][network.name] = network.endpoint;
}

// The daemon relays sockets that are mounted.
Result<void> ContainerFlags::add_ssh_agent(Json& body) {
    const char* agent = std::getenv("SSH_AUTH_SOCK");
    std::error_code error;
    if (agent == nullptr || !std::filesystem::is_socket(agent, error))
        return fail(ErrorKind::invalid,
                    "--ssh: SSH_AUTH_SOCK names no socket: start an agent with eval "
                    "\"$(ssh-agent)\" and add a key with ssh-add");
    const auto path = std::filesystem::absolute(agent, error);
    body["HostConfig"]["Mounts"].push_back(
        {{"Type", "bind"}, {"Source", path.native()}, {"Target", kSshAgent}});
    return {};
}

Result<Json> ContainerFlags::body(const std::vector<std::string>& arguments) const {
    Json body = body_;
    Json& host = body["HostConfig"];
    if (host.is_null()) host = Json::object();
    body["Image"] = arguments.front();
    if (arguments.size() > 1)
        body["Cmd"] = std::vector<std::string>(arguments.begin() + 1, arguments.end());
    body["Tty"] = tty;
    body["OpenStdin"] = interactive;
    for (const auto& one : switches_)
        if (one->value) body[Json::json_pointer(one->field)] = true;
    host["AutoRemove"] = remove;
    add_networks(body);
    if (ssh_) HAKO_CHECK(add_ssh_agent(body));

    // Files first, so that a flag overrides what they say.
    std::vector<std::string> environment;
    for (const auto& path : environment_files_) {
        HAKO_TRY(auto entries, read_environment_file(path));
        std::ranges::move(entries, std::back_inserter(environment));
    }
    for (const auto& text : environment_) {
        HAKO_TRY(auto entry, parse_environment(text));
        if (entry) environment.push_back(*std::move(entry));
    }
    if (ssh_) environment.push_back(fmt::format("SSH_AUTH_SOCK={}", kSshAgent));
    if (!environment.empty()) body["Env"] = environment;

    for (const auto& path : label_files_) {
        HAKO_TRY(const auto entries, read_environment_file(path));
        for (const auto& entry : entries) {
            auto [key, value] = split_pair(entry);
            if (!body["Labels"].contains(key)) body["Labels"][key] = value;
        }
    }
    if (!cdi_devices_.empty())
        host["DeviceRequests"] = {{{"Driver", "cdi"}, {"DeviceIDs", cdi_devices_}}};
    if (no_healthcheck_) {
        if (body.contains("Healthcheck"))
            return fail(ErrorKind::invalid, "--no-healthcheck conflicts with --health-* options");
        body["Healthcheck"] = {{"Test", {"NONE"}}};
    }
    if (remove && host.contains("RestartPolicy") && host["RestartPolicy"]["Name"] != "no")
        return fail(ErrorKind::invalid,
                    "conflicting options: cannot specify both --restart and --rm");
    return body;
}

}  // namespace hako::cli
