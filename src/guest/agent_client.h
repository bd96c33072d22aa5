// The host side of vminitd's service (proto/agent.proto): one object per running VM.
//
// The guest is not trusted. Messages are limited to 1 MiB, and 256 KiB of each stream wait to be
// read. A call that should be short has a deadline; of a copy every piece has one. Only a process'
// end and its output may take for ever. Whatever the guest answers becomes a value or an Error,
// never a crash. All methods block and may be called from any thread, also at the same time.
//
// Errors carry the guest's sentence and its kind (guest/status.h). A guest that is gone, or a
// channel that broke, is ErrorKind::unavailable; a channel never comes back: make a new client.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/units.h"

namespace hako::guest {

struct GuestInfo {
    std::string version;         // of vminitd
    std::string kernel_release;  // uname -r
    std::uint64_t memory_bytes = 0;
    unsigned cpus = 0;
};

// mount(2) in the guest. Missing targets are created; targets lie below /run.
struct Mount {
    std::string source;       // path, tag or name; unused when disk_serial is set
    std::string disk_serial;  // a virtio block device by its serial
    std::string type;         // "erofs", "ext4", "overlay", "tmpfs" ...
    std::string target;
    std::vector<std::string> options;  // as in fstab
    bool create_directories = false;   // overlay: upperdir and workdir are created first
};

// Runs programs of another processor. Magic and mask say which they are: the first bytes of their
// files, as far as the mask has ones.
struct Emulator {
    std::string name;         // "qemu-aarch64"
    std::string disk_serial;  // a virtio block device that is the static program
    std::string magic;
    std::string mask;
};

struct Network {
    struct Interface {
        std::string name;  // with a MAC: the name that the interface of this MAC gets
        std::vector<std::string> addresses;  // "10.0.0.2/24", "fd00::2/64"
        unsigned mtu = 0;                    // 0 leaves it
        bool up = true;
        std::string mac;
        // The MAC that the card was made with, where it shall get another one. Without a name the
        // guest lets go of this card.
        std::string card = {};
        std::map<std::string, std::string> sysctls = {};  // below /proc/sys, set before it goes up
    };
    struct Route {
        std::string destination;  // "default", "10.1.0.0/16"
        std::string gateway;
        std::string interface;
    };
    // Of a file that the container was created with: lines that go, and others in their place.
    struct Lines {
        std::string container, path;
        std::vector<std::string> gone, come;
    };
    std::vector<Interface> interfaces;
    std::vector<Route> routes;
    std::string hostname;  // of the VM; empty leaves it
    std::vector<Lines> lines = {};
};

// In a container: it listens, and who connects to it is relayed.
struct Socket {
    std::string path;
    unsigned uid = 0, gid = 0;
    unsigned mode = 0666;
};

struct Container {
    std::string id;
    std::string config;                        // config.json of the OCI runtime spec 1.1
    std::map<std::string, std::string> files;  // absolute path inside -> content
    std::vector<Socket> sockets;
};

// The first process of a container has the container's id as its own.
struct ProcessId {
    std::string container;
    std::string process;
};

struct ProcessSpec {
    ProcessId id;
    std::string process;      // the `process` object of the OCI runtime spec, as JSON
    std::string seccomp_bpf;  // struct sock_filter[]; empty: no filter
    bool open_stdin = false;  // without it standard input is /dev/null
};

struct ProcessExit {
    int code = 0;  // 128 + signal when killed
    int signal = 0;
    bool oom_killed = false;
    WallTime exited_at{};
};

struct Event {
    std::string container;
    bool oom = false;     // an OOM kill in the container, else:
    std::string process;  // this process ended
    ProcessExit exit;
};

struct Statistics {
    std::uint64_t cpu_usage_us = 0, cpu_user_us = 0, cpu_system_us = 0, cpu_throttled_us = 0;
    std::uint64_t memory_usage_bytes = 0, memory_peak_bytes = 0;
    std::uint64_t memory_limit_bytes = 0;  // without one, the VM's memory
    std::map<std::string, std::uint64_t> memory_stat;
    std::uint64_t pids_current = 0, pids_limit = 0;
    std::uint64_t oom_kills = 0;
    std::uint64_t block_read_bytes = 0, block_write_bytes = 0;
    std::uint64_t system_cpu_us = 0;  // all CPUs of the VM
    unsigned online_cpus = 0;
    // What listens on the VM's network, not on its loopback alone: "80/tcp".
    std::vector<std::string> listening;
};

struct ProcessRow {
    int pid = 0;  // in the VM's root pid namespace
    int ppid = 0;
    unsigned uid = 0;
    std::string user;
    std::string tty;
    std::chrono::milliseconds cpu_time{};
    std::chrono::seconds started_at{};  // since the epoch
    std::string command;
};

struct PathStat {
    std::string name;
    std::uint64_t size = 0;
    unsigned mode = 0;  // st_mode
    WallTime modified_at{};
    std::string link_target;
};

struct CopyIn {
    std::string container;
    std::string path;                       // an existing directory in the container
    bool no_overwrite_dir_non_dir = false;  // neither replaces the other
    std::string owner = {};                 // "user[:group]" of all; empty: as the tar has it
};

// What an overlay's upper directory has that its lower one has not; both are paths in the VM.
struct Changes {
    std::string container;
    std::string upper;
    std::string lower;
    bool list = false;  // text for parse_changes() instead of a layer's tar
};

struct Change {
    enum class Kind : std::uint8_t { changed = 0, added = 1, deleted = 2 };  // as Docker's API
    Kind kind = Kind::changed;
    std::string path;  // absolute
    bool operator==(const Change&) const = default;
};
// ErrorKind::corrupt where the guest wrote something else.
Result<std::vector<Change>> parse_changes(std::string_view list);

// The shim hands these two answers on as they are (proto/shim.proto), so they come serialised.
Result<Statistics> parse_statistics(std::string_view serialised);
Result<std::vector<ProcessRow>> parse_processes(std::string_view serialised);

// The standard streams of one process. One thread may read while another one writes.
class Stdio {
public:
    enum class Stream : std::uint8_t { out = 1, err = 2 };
    struct Output {
        Stream stream = Stream::out;
        std::string data;
    };

    Stdio(Stdio&&) noexcept;
    Stdio& operator=(Stdio&&) noexcept;
    ~Stdio();  // cancels what still runs: the guest drops further output

    // Blocks while the process does not read. After the process' end it is ErrorKind::unavailable.
    Result<void> write(std::span<const std::byte> data);
    // The end of standard input.
    Result<void> close_input();
    // Blocks for the next piece of output; nullopt is the end: the process has ended.
    Result<std::optional<Output>> read();
    // After that end; by the reading thread.
    std::optional<ProcessExit> exit() const;
    // Makes blocked and later calls fail with ErrorKind::cancelled. From any thread.
    void cancel();

private:
    friend class AgentClient;
    struct Impl;
    explicit Stdio(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// One connection of a socket in a container, relayed to one of ours. cancel() may come from any
// thread; the rest belongs to one.
class SocketCall {
public:
    SocketCall(SocketCall&&) noexcept;
    SocketCall& operator=(SocketCall&&) noexcept;
    ~SocketCall();  // cancels what still runs

    // Blocks until there is a connection: of a socket that listens for us, for as long as it takes.
    Result<void> open();
    // Once it is open: blocks until both sides have ended.
    void relay(Fd socket);
    // Whether the guest's side has ended: nothing more comes from there.
    bool guest_ended() const;
    void cancel();

private:
    friend class AgentClient;
    struct Impl;
    explicit SocketCall(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class AgentClient {
public:
    // A guest under emulation on a busy host is slow, not dead.
    struct Deadlines {
        std::chrono::milliseconds call = std::chrono::seconds(60);   // and one piece of a copy
        std::chrono::milliseconds quick = std::chrono::seconds(20);  // costs the guest nothing
        std::chrono::milliseconds sync = std::chrono::seconds(120);
    };
    // channel: a connected stream socket whose other end reaches vminitd.
    static Result<std::unique_ptr<AgentClient>> connect(Fd channel, const Deadlines& deadlines);
    static Result<std::unique_ptr<AgentClient>> connect(Fd channel) {
        return connect(std::move(channel), Deadlines());
    }
    AgentClient(const AgentClient&) = delete;
    AgentClient& operator=(const AgentClient&) = delete;
    ~AgentClient();

    // Answers as soon as vminitd serves; while the VM boots the call waits, up to the time-out.
    Result<GuestInfo> info(std::chrono::milliseconds timeout);

    Result<void> mount(std::span<const Mount> mounts);
    Result<void> unmount(const std::string& target);
    Result<void> sync();
    Result<void> set_time(WallTime time);
    Result<void> add_entropy(std::span<const std::byte> data);  // 32 to 512 bytes
    Result<void> configure_network(const Network& network);
    // Gives up so many bytes of caches; answers how many there were.
    Result<std::uint64_t> reclaim(std::uint64_t bytes);
    // The guest waits for kDoze (guest/wake.h). This client has ended.
    Result<void> doze();
    // For all containers of the VM, now and later; none sees it.
    Result<void> install_emulator(const Emulator& emulator);

    Result<void> create_container(const Container& container);
    Result<void> delete_container(const std::string& container);
    // resources: linux.resources of the OCI runtime spec, as JSON; what it lacks stays.
    Result<void> update_container(const std::string& container, const std::string& resources);

    // Prepares it; all but the execve is done then.
    Result<Stdio> create_process(const ProcessSpec& spec);
    // The pid in the VM. ErrorKind::exec_not_found is exit status 127, exec_failed is 126.
    Result<int> start_process(const ProcessId& id);
    Result<void> signal(const ProcessId& id, int number, bool all = false);
    Result<void> resize(const ProcessId& id, unsigned columns, unsigned rows);
    // Blocks until the process has ended and its output is taken or dropped; no deadline.
    // A stop is ErrorKind::cancelled.
    Result<ProcessExit> wait(const ProcessId& id, std::stop_token stop = {});
    Result<void> delete_process(const ProcessId& id);

    // path is one of Container::sockets, or one that the guest is to connect to. Blocks for
    // nothing.
    SocketCall accept_socket(const std::string& container, const std::string& path);
    SocketCall connect_socket(const std::string& container, const std::string& path);

    Result<std::string> statistics(const std::string& container);      // -> parse_statistics
    Result<std::string> list_processes(const std::string& container);  // -> parse_processes

    Result<void> copy_in(const CopyIn& where, Reader& tar, std::stop_token stop = {});
    // on_stat is called once, before the first byte of the tar.
    Result<void> copy_out(const std::string& container, const std::string& path,
                          const std::function<Result<void>(const PathStat&)>& on_stat, Writer& tar,
                          std::stop_token stop = {});
    Result<PathStat> stat_path(const std::string& container, const std::string& path);
    Result<void> changes(const Changes& what, Writer& out, std::stop_token stop = {});

    // Calls on_event for every event, in order, until stopped (no error) or until the guest goes.
    Result<void> events(const std::function<void(const Event&)>& on_event, std::stop_token stop);

    // Asks for power-off, before which the guest writes its disks back: that takes the time-out at
    // most. That the guest went before it could answer is no error.
    Result<void> power_off(std::chrono::milliseconds timeout);

private:
    struct Impl;
    explicit AgentClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hako::guest
