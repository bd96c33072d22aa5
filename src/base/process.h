// Child processes: described first (Command), then run. No bare fork: posix_spawn plus a pidfd.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hako {

// What to run. Printable as a shell line, compared in golden tests.
struct Command {
    std::vector<std::string> argv;  // argv[0] is looked up in PATH when it has no slash
    std::map<std::string, std::string> extra_environment = {};
    bool new_session = false;  // setsid: outlives our terminal and our process group
};

// The command as a line that a POSIX shell would run.
std::string to_shell(const Command& command);

// The descriptor `source` of ours becomes `target` in the child. Borrowed: the caller keeps it.
// Of 0, 1 and 2 those that are not mapped are /dev/null; no other is open in the child.
struct FdMapping {
    int source;
    int target;
};

struct ExitStatus {
    int code = 0;    // exit status when signal is 0
    int signal = 0;  // the signal that killed it
    bool success() const { return code == 0 && signal == 0; }
    // As a shell counts: 128 + signal.
    int shell_code() const { return signal != 0 ? 128 + signal : code; }
};
std::string to_string(const ExitStatus& status);

// Owner of one running child. A child that is still running when its owner goes is killed and
// reaped. Not thread-safe, except that signal() may be called from anywhere.
class Process {
public:
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }
    Result<void> signal(int number) const;
    // Waits for the end; nullopt when the time-out passed first. May be called again afterwards.
    Result<std::optional<ExitStatus>> wait(std::optional<std::chrono::milliseconds> timeout = {});
    // Asks with SIGTERM, waits for the grace time, then kills.
    Result<ExitStatus> stop(std::chrono::milliseconds grace);
    // Gives the child up: it lives on without us and is reaped by init or a later wait of ours.
    void release();

private:
    friend Result<Process> spawn(const Command& command, const std::vector<FdMapping>& fds);
    Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

    pid_t pid_ = -1;
    Fd pidfd_;
    std::optional<ExitStatus> status_;
};

// ErrorKind::not_found when the executable does not exist.
Result<Process> spawn(const Command& command, const std::vector<FdMapping>& fds = {});

struct CommandOutput {
    ExitStatus status;
    std::string out;
    std::string err;
};
// Runs a short helper to its end, collecting at most 16 MiB of each stream. Past the deadline it
// is killed and ErrorKind::deadline returned.
Result<CommandOutput> run(const Command& command, std::chrono::milliseconds deadline,
                          std::string_view input = {});

// Which boot of the host this is: pids and clocks of another one say nothing.
Result<std::string> boot_id();

// A process that is not our child, known by its pid. Start time (clock ticks since boot, field 22
// of /proc/PID/stat) tells it from a later one with the same pid.
struct ProcessIdentity {
    pid_t pid = -1;
    std::uint64_t start_time = 0;
};
Result<ProcessIdentity> identify_process(pid_t pid);
bool is_alive(const ProcessIdentity& identity);
// SIGKILL by pidfd when it is still that process, and waits until it is gone.
Result<void> kill_process(const ProcessIdentity& identity, std::chrono::milliseconds deadline);

}  // namespace hako
