// Writes the OCI runtime specification's config.json (1.1) and its `process` object from container
// settings, with Docker's defaults: mounts, masked paths, namespaces, environment.
//
// The VM is the network namespace, so there is none in the specification. Users are given as
// process.user.username in Docker's form "user[:group]"; the guest looks names up in the
// container's own passwd and group files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oci/device_rules.h"

namespace hako::oci {

struct Rlimit {
    std::string name;       // "nofile", as in RLIMIT_NOFILE
    std::int64_t soft = 0;  // -1: no limit
    std::int64_t hard = 0;
};

struct ConsoleSize {
    unsigned columns = 0;
    unsigned rows = 0;
};

struct ProcessSettings {
    std::vector<std::string> args;
    std::vector<std::string> env;
    std::string cwd = "/";
    std::string user;                       // empty: root
    std::vector<std::string> groups;        // additional ones: numbers, or names for the guest
    std::vector<std::string> capabilities;  // from select_capabilities()
    std::vector<Rlimit> rlimits;
    std::optional<int> oom_score_adj;
    std::optional<ConsoleSize> console_size;
    bool tty = false;
    bool no_new_privileges = false;
};

struct Resources {
    std::uint64_t memory_limit = 0;  // bytes; 0: none
    std::int64_t cpu_quota = 0;      // microseconds in each period; 0: none
    std::uint64_t cpu_period = 100'000;
    std::uint64_t cpu_shares = 0;          // Docker's 2..262144; 0: the default
    std::string cpuset_cpus, cpuset_mems;  // "0-1,3"; empty: all
    std::int64_t pids_limit = 0;           // 0 and -1: none
};

// A mount beside the standard ones.
struct Mount {
    std::string target;
    std::string type;    // "bind", "tmpfs"
    std::string source;  // bind: a path in the VM
    std::vector<std::string> options;
};

struct RuntimeSettings {
    std::string id;
    std::string rootfs;  // where the guest has the container's root
    std::string hostname;
    std::string domainname;
    ProcessSettings process;
    Resources resources;
    std::map<std::string, std::string> tmpfs;   // path -> mount options
    std::map<std::string, DeviceNode> devices;  // by the path in the container
    std::vector<std::string> device_rules;      // "c 1:3 rwm", "b *:* m", beside Docker's
    std::vector<Mount> mounts;
    std::map<std::string, std::string> sysctls;
    // Unset: Docker's lists (none if privileged).
    std::optional<std::vector<std::string>> masked_paths, readonly_paths;
    std::uint64_t shm_size = 0;  // bytes; 0: 64 MiB
    bool shared_memory = true;   // has a /dev/shm
    bool readonly_rootfs = false;
    // The VM has devices of the host, of which it may use all; so many come on the USB and are
    // waited for (annotation io.hako.host-devices).
    std::optional<unsigned> host_devices;
    bool privileged = false;  // with all devices of the VM (annotation io.hako.devices)
    // Namespaces of another container in the VM: "pid", "ipc", "uts", "network" -> its id.
    std::map<std::string, std::string> shared_namespaces;
    bool own_network = false;  // with its loopback only
    bool init = false;         // an init process of ours is PID 1 (annotation io.hako.init)
};

// Docker's lists for containers that are not privileged.
const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_readonly_paths();

// ErrorKind::invalid for an unknown limit's name, a relative path, a NUL in a string.
Result<Json> make_process(const ProcessSettings& settings);
// linux.resources, of what is set.
Json make_resources(const Resources& resources);
Result<Json> make_runtime_spec(const RuntimeSettings& settings);

struct Invocation {
    std::vector<std::string> entrypoint;
    std::vector<std::string> cmd;
};
// Docker's rules: a given entrypoint, even an empty one, drops the image's command; {""} clears the
// entrypoint; an empty command means the image's. Nothing left is "No command specified".
Result<Invocation> merge_invocation(const Invocation& image,
                                    const std::optional<std::vector<std::string>>& entrypoint,
                                    const std::optional<std::vector<std::string>>& cmd);

// "KEY=value" entries of `base` with those of `over` in front: same keys are replaced in place, an
// entry without "=" removes the key.
std::vector<std::string> merge_environment(std::vector<std::string> base,
                                           const std::vector<std::string>& over);
// PATH, HOSTNAME and, with a terminal, TERM, under what the container asks for.
std::vector<std::string> process_environment(std::string_view hostname, bool tty,
                                             const std::vector<std::string>& env);

}  // namespace hako::oci
