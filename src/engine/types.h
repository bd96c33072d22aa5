// The engine's plain data: what a container is asked to be, what it is, and what its verbs take and
// give. No behaviour and no JSON types; names follow the Docker Engine API, so that dockerapi/ can
// translate field by field. Sizes are bytes; the unset time is WallTime{}.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "engine/mounts.h"
#include "engine/network_types.h"
#include "oci/platform.h"

namespace hako::engine {

using StringMap = std::map<std::string, std::string>;

// Docker's `Healthcheck`. Zero and empty mean: not said here.
struct HealthCheck {
    std::vector<std::string> test;  // {"NONE"}, {"CMD", words...} or {"CMD-SHELL", line}
    std::chrono::nanoseconds interval{}, timeout{}, start_period{}, start_interval{};
    int retries = 0;
};

// Docker's `Config`: what runs. In a Container it is already merged with the image's.
struct ContainerConfig {
    std::string hostname;  // empty: the first 12 digits of the id
    std::string domainname;
    std::string user;   // "user[:group]", names or numbers
    std::string image;  // as the client named it
    std::string working_dir;
    std::string stop_signal;          // "SIGTERM", "15"; empty: SIGTERM
    std::optional<int> stop_timeout;  // seconds; -1 waits for ever
    std::vector<std::string> env;
    // Unset: the image's. An entrypoint of {} or {""} clears the image's.
    std::optional<std::vector<std::string>> entrypoint;
    std::optional<std::vector<std::string>> cmd;
    StringMap labels;
    std::vector<std::string> exposed_ports;  // "80/tcp"
    std::vector<std::string> volumes;  // targets of anonymous volumes; merged: the image's, too
    std::optional<HealthCheck> healthcheck;  // merged: none if there is nothing to run
    bool tty = false;
    bool open_stdin = false;
    bool stdin_once = false;  // standard input ends when its first client leaves
    bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
};

// A device node of the VM in the container, or a device of the host for its VM.
struct Device {
    std::string node;         // in the VM: "/dev/fuse"; of the host: vmm/host_device.h
    std::string path;         // in the container; of no meaning for the host's
    std::string permissions;  // of "rwm"
};

struct WindowSize {
    std::uint32_t columns = 0;
    std::uint32_t rows = 0;
};

struct Ulimit {
    std::string name;       // "nofile", as in RLIMIT_NOFILE
    std::int64_t soft = 0;  // -1: no limit
    std::int64_t hard = 0;
};

// Docker's `HostConfig`, the part that is offered. What is not here is refused or ignored by
// dockerapi/, and kept in Container::host_config_json.
struct HostConfig {
    std::uint64_t memory = 0;     // limit inside the VM; 0: kDefaultMemory
    std::uint64_t nano_cpus = 0;  // 10^9 a CPU; 0: all of the VM's
    std::int64_t cpu_quota = 0;   // microseconds in cpu_period; 0: no quota
    std::uint64_t cpu_period = 0;
    std::uint64_t cpu_shares = 0;
    std::string cpuset_cpus, cpuset_mems;  // "0-1,3"; empty: all of the VM's
    std::int64_t pids_limit = 0;           // 0 and -1: no limit
    std::vector<Ulimit> ulimits;
    std::vector<std::string> cap_add, cap_drop;  // with or without "CAP_", any case; "ALL"
    std::vector<std::string> group_add;          // names or numbers
    std::vector<std::string> security_opt;       // no-new-privileges, seccomp=unconfined ...
    std::vector<std::string> extra_hosts;        // "name:address" for /etc/hosts
    std::vector<MountRequest> mounts;            // -v and --mount, as they came
    std::vector<std::string> volumes_from;       // "container[:ro|rw]"
    StringMap tmpfs;                             // path -> mount options
    StringMap sysctls;
    StringMap annotations;  // "io.hako.kernel" names the guest kernel
    StringMap storage_opt;  // "size" of the writable layer
    std::optional<std::vector<std::string>> masked_paths, readonly_paths;  // unset: Docker's
    std::uint64_t shm_size = 0;                                            // 0: 64 MiB
    int oom_score_adj = 0;
    bool privileged = false;
    bool readonly_rootfs = false;
    bool auto_remove = false;
    bool init = false;           // an init process of ours is PID 1
    std::string restart_policy;  // "", "no", "always", "on-failure", "unless-stopped"
    int restart_retries = 0;     // on-failure gives up after so many; 0: never
    std::string log_driver;      // "json-file", "local", "none"; empty: json-file
    StringMap log_options;       // Docker's: max-size, max-file, labels, env ...
    // "", "default", "none" or a network; "container:<id>" shares that container's namespace, and
    // so its VM (sharing.h).
    std::string network_mode;
    std::string pid_mode, ipc_mode, uts_mode;
    std::vector<Device> devices;
    std::vector<PublishedPort> port_bindings;
    bool publish_all_ports = false;
    std::vector<std::string> dns, dns_search, dns_options;
    std::vector<std::string> links;                // "container:alias"
    std::vector<std::string> device_cgroup_rules;  // "c 1:3 rwm"
    std::optional<WindowSize> console_size;
};

enum class Status { created, running, paused, restarting, removing, exited, dead };
std::string_view to_string(Status status);

// Docker's `State`.
struct ContainerState {
    Status status = Status::created;
    int pid = 0;  // of the container's VM on the host; 0 when not running
    int exit_code = 0;
    bool oom_killed = false;
    std::string error;  // why the last start failed, or why the VM ended
    WallTime started_at{};
    WallTime finished_at{};
    int restart_count = 0;         // restarts by its policy since somebody started it
    bool stopped_by_user = false;  // the last run: its policy does not start it again
    // The VM that it runs in, or ran in last, by the id of the container that it was booted for.
    std::string vm;
    std::vector<PublishedPort> ports;  // of a macOS machine that runs: where it is reached

    bool running() const { return status == Status::running || status == Status::paused; }
};

enum class Health { starting, healthy, unhealthy };
std::string_view to_string(Health health);

// Docker's `State.Health`, of a container with a health check that ran.
struct HealthState {
    struct Probe {
        WallTime start{}, end{};
        int exit_code = 0;  // -1: it could not run, or took too long
        std::string output;
    };
    Health status = Health::starting;
    int failing_streak = 0;
    std::deque<Probe> log;  // the last five
};

// A container as it is at one moment.
struct Container {
    std::string id;    // 64 hexadecimal digits
    std::string name;  // without the leading slash
    WallTime created{};
    std::string image_id;    // "sha256:<hex>" of the image's configuration
    ContainerConfig config;  // merged with the image's
    HostConfig host_config;
    // As the client sent them, for inspect: "{}" at least.
    std::string config_json, host_config_json, networking_json;
    ContainerState state;
    std::optional<HealthState> health;
    std::vector<MountPoint> mounts;
    std::vector<std::string> command;   // entrypoint and cmd: Docker's Path and Args
    std::vector<std::string> exec_ids;  // of execs that run
    std::vector<Attachment> networks;   // filled by inspect and list
    std::string log_path;
    std::string kernel;  // the guest kernel's name; empty: the default one
    // The image's processor where the host's does not run its programs: arm64; else empty.
    std::string emulated;
    std::optional<std::uint64_t> size_rw;  // bytes its writable layer takes; where asked for
};

struct CreateRequest {
    std::string name;                            // empty: a random one
    std::optional<oci::Platform> platform = {};  // of the image; none: the host's, if it has that
    ContainerConfig config;
    HostConfig host_config;
    std::map<std::string, EndpointSettings> endpoints = {};  // by network: what it asks of each
    std::string config_json = "{}", host_config_json = "{}", networking_json = "{}";
};
struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

// Fields that are set must all match; of several values in one field, one must (labels: all).
struct ListFilter {
    bool all = false;              // also those that do not run; implied by statuses and exit codes
    std::size_t limit = 0;         // the newest so many; implies all; 0: no limit
    std::vector<std::string> ids;  // prefixes
    std::vector<std::string> names;   // parts of names, "^/name$" style anchors allowed
    std::vector<std::string> labels;  // "key" or "key=value"
    std::vector<std::string> statuses;
    std::vector<std::string> healths;  // "none", "starting", "healthy", "unhealthy"
    std::vector<int> exit_codes;
    std::vector<std::string> networks;            // names or ids
    std::vector<std::string> ancestors;           // image names or ids
    std::string before, since;                    // containers
    std::vector<std::string> exposed, published;  // the container's ports: "80/tcp"
    std::vector<std::string> volumes;             // names or targets of what is mounted
    bool with_size = false;                       // fills Container::size_rw
};

enum class WaitCondition { not_running, next_exit, removed };
struct WaitResult {
    int exit_code = 0;
    std::string error;  // why the VM, not the process, ended
};

struct StopOptions {
    std::optional<int> timeout_seconds = {};  // until SIGKILL; -1 waits for ever
    std::string signal = {};                  // empty: the container's
};

struct RemoveOptions {
    bool force = false;    // kills a running one first
    bool volumes = false;  // its anonymous volumes go as well
};

struct PruneFilter {
    WallTime until{};                  // created before; unset: any
    std::vector<std::string> labels;   // all of "key" or "key=value"
    std::vector<std::string> without;  // none of them
};
struct Pruned {
    std::vector<std::string> ids;
    std::uint64_t reclaimed = 0;  // bytes on the host's disk
};

// What of a container's HostConfig changes; unset fields stay.
struct UpdateRequest {
    std::optional<std::uint64_t> memory, nano_cpus, cpu_period, cpu_shares;
    std::optional<std::int64_t> cpu_quota, pids_limit;
    std::optional<std::string> cpuset_cpus, cpuset_mems;
    std::optional<std::string> restart_policy;
    std::optional<int> restart_retries;
    std::string host_config_json = "{}";  // the same, as the client sent it, for inspect
};

struct ExecConfig {
    std::vector<std::string> cmd;
    std::vector<std::string> env;
    std::string user;
    std::string working_dir;
    bool tty = false;
    bool privileged = false;
    bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
    std::string detach_keys;
};
struct Exec {
    std::string id;
    std::string container_id;
    ExecConfig config;
    bool running = false;
    std::optional<int> exit_code;
    int pid = 0;  // inside the VM; 0 before the start
};

struct ExecStart {
    bool detach = false;
    std::optional<WindowSize> size;
};

// GET /containers/{id}/top.
struct ProcessTable {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> rows;
};

// The virtual machine of a container that runs.
struct MachineDetails {
    int pid = 0;                       // of QEMU
    std::vector<std::string> command;  // QEMU's, as it was started
    std::string spec_json;             // vmm::MachineSpec
    std::string folder;                // on the host, of its sockets and logs
};

struct Kernel {
    std::string name;
    std::string version;  // as uname -r prints it
    bool is_default = false;
    bool is_builtin = false;
};

struct SystemInfo {
    int containers = 0, running = 0, paused = 0, stopped = 0;
    int images = 0;
    // "kvm" or "tcg"; empty while the probe is still running.
    std::string accelerator;
    std::string accelerator_reason;
    std::string kernel_release;  // of the host
    std::string os_name;         // of the host
    unsigned cpus = 0;
    std::uint64_t memory = 0;
    std::string id;  // of this daemon's root, kept over restarts
    std::string host_name;
    std::string root;
};

}  // namespace hako::engine
