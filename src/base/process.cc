#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "base/text.h"

extern char** environ;

namespace hako {
namespace {

constexpr std::size_t kOutputLimit = 16U << 20U;

Result<Fd> open_pidfd(pid_t pid) {
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) return fail_errno(errno, "cannot open process {}", pid);
    return fd;
}

Result<void> signal_pidfd(int pidfd, int number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) != 0)
        return fail_errno(errno, "cannot send signal {}", number);
    return {};
}

ExitStatus from_wait(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {.code = info.si_status, .signal = 0};
    return {.code = 0, .signal = info.si_status};
}

// Owns what posix_spawn wants initialised and destroyed.
class SpawnSettings {
public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    // Sources are moved out of the way first, so that no mapping overwrites another's source. No
    // other descriptor is the child's: what whoever started us had open is none of its business.
    Result<void> map(const std::vector<FdMapping>& fds) {
        const int last = std::ranges::max(fds, {}, &FdMapping::target).target;
        const int lowest = 3 + last;
        for (const auto& [source, target] : fds) {
            Fd moved(::fcntl(source, F_DUPFD_CLOEXEC, lowest));
            if (!moved) return fail_errno(errno, "cannot duplicate descriptor {}", source);
            posix_spawn_file_actions_adddup2(&actions_, moved.get(), target);
            moved_.push_back(std::move(moved));
        }
        for (int number = 0; number <= 2; ++number)
            if (std::ranges::find(fds, number, &FdMapping::target) == fds.end())
                posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", O_RDWR, 0);
        for (int number = 3; number < last; ++number)
            if (std::ranges::find(fds, number, &FdMapping::target) == fds.end())
                posix_spawn_file_actions_addclose(&actions_, number);
        posix_spawn_file_actions_addclosefrom_np(&actions_, std::max(last + 1, 3));
        return {};
    }

    void reset_signals(bool new_session) {
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        if (new_session) flags |= POSIX_SPAWN_SETSID;
        posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }

    const posix_spawn_file_actions_t* actions() const { return &actions_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
    std::vector<Fd> moved_;
};

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& extra) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (!extra.contains(std::string(text.substr(0, text.find('='))))) result.emplace_back(text);
    }
    for (const auto& [name, value] : extra) result.push_back(name + "=" + value);
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (auto& text : strings) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

std::string shell_quoted(const std::string& word) {
    const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
        return std::isalnum(c) != 0 || std::strchr("-_./:=,+@%", c) != nullptr;
    });
    if (plain) return word;
    std::string quoted = "'";
    for (const char c : word) {
        if (c == '\'') quoted += "'\\''";
        else quoted += c;
    }
    return quoted + "'";
}

}  // namespace

std::string to_shell(const Command& command) {
    std::string line;
    for (const auto& [name, value] : command.extra_environment)
        line += name + "=" + shell_quoted(value) + " ";
    for (const auto& word : command.argv) {
        if (&word != &command.argv.front()) line += ' ';
        line += shell_quoted(word);
    }
    return line;
}

std::string to_string(const ExitStatus& status) {
    if (status.signal != 0)
        return fmt::format("killed by signal {} ({})", status.signal,
                           ::sigabbrev_np(status.signal) ? ::sigabbrev_np(status.signal) : "?");
    return fmt::format("exit status {}", status.code);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    std::swap(status_, other.status_);
    return *this;
}

Process::~Process() {
    if (pid_ < 0 || status_) return;
    (void)signal(SIGKILL);
    (void)wait();
}

Result<void> Process::signal(int number) const { return signal_pidfd(pidfd_.get(), number); }

Result<std::optional<ExitStatus>> Process::wait(std::optional<std::chrono::milliseconds> timeout) {
    if (status_) return status_;
    HAKO_TRY(const bool ended, wait_readable(pidfd_.get(), timeout));
    if (!ended) return std::nullopt;
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0)
        if (errno != EINTR) return fail_errno(errno, "cannot wait for process {}", pid_);
    status_ = from_wait(info);
    return status_;
}

Result<ExitStatus> Process::stop(std::chrono::milliseconds grace) {
    if (!status_) (void)signal(SIGTERM);
    HAKO_TRY(auto status, wait(grace));
    if (status) return *status;
    HAKO_CHECK(signal(SIGKILL));
    HAKO_TRY(status, wait());
    return *status;
}

void Process::release() {
    pid_ = -1;
    pidfd_.reset();
}

Result<Process> spawn(const Command& command, const std::vector<FdMapping>& fds) {
    if (command.argv.empty()) return fail(ErrorKind::invalid, "there is no command to run");
    SpawnSettings settings;
    if (fds.empty()) {
        HAKO_CHECK(settings.map({{.source = 2, .target = 2}}));
    } else {
        HAKO_CHECK(settings.map(fds));
    }
    settings.reset_signals(command.new_session);
    auto arguments = command.argv;
    auto environment = merged_environment(command.extra_environment);
    auto argument_pointers = pointers(arguments);
    auto environment_pointers = pointers(environment);
    pid_t pid = -1;
    const int error =
        ::posix_spawnp(&pid, arguments.front().c_str(), settings.actions(), settings.attributes(),
                       argument_pointers.data(), environment_pointers.data());
    if (error != 0) return fail_errno(error, "cannot run {}", command.argv.front());
    auto pidfd = open_pidfd(pid);
    if (!pidfd) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return fail(std::move(pidfd).error());
    }
    return Process(pid, *std::move(pidfd));
}

Result<CommandOutput> run(const Command& command, std::chrono::milliseconds deadline,
                          std::string_view input) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + deadline;
    HAKO_TRY(FdPair in, make_socket_pair());  // a socket: no SIGPIPE with MSG_NOSIGNAL
    HAKO_TRY(FdPair out, make_pipe());
    HAKO_TRY(FdPair err, make_pipe());
    HAKO_TRY(Process process, spawn(command, {{.source = in.second.get(), .target = 0},
                                              {.source = out.second.get(), .target = 1},
                                              {.source = err.second.get(), .target = 2}}));
    in.second.reset();
    out.second.reset();
    err.second.reset();
    if (input.empty()) in.first.reset();

    CommandOutput output;
    std::array<std::byte, 16384> buffer{};
    while (out.first || err.first) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0)
            return fail(ErrorKind::deadline, "{} did not end within {} ms", command.argv.front(),
                        deadline.count());
        std::array<pollfd, 3> entries{{{.fd = in.first.get(), .events = POLLOUT, .revents = 0},
                                       {.fd = out.first.get(), .events = POLLIN, .revents = 0},
                                       {.fd = err.first.get(), .events = POLLIN, .revents = 0}}};
        if (::poll(entries.data(), entries.size(), static_cast<int>(left)) < 0 && errno != EINTR)
            return fail_errno(errno, "cannot poll");
        if (entries[0].revents != 0) {
            const ssize_t count =
                ::send(in.first.get(), input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count > 0) input.remove_prefix(static_cast<std::size_t>(count));
            if (input.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) in.first.reset();
        }
        const auto collect = [&](const pollfd& entry, Fd& fd, std::string& text) -> Result<void> {
            if (entry.revents == 0) return {};
            HAKO_TRY(const std::size_t count, read_some(fd.get(), buffer));
            if (count == 0) fd.reset();
            else if (text.size() < kOutputLimit)
                text.append(as_text(std::span(buffer).first(count)));
            return {};
        };
        HAKO_CHECK(collect(entries[1], out.first, output.out));
        HAKO_CHECK(collect(entries[2], err.first, output.err));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    HAKO_TRY(auto status, process.wait(std::max(left, std::chrono::milliseconds(1))));
    if (!status)
        return fail(ErrorKind::deadline, "{} did not end within {} ms", command.argv.front(),
                    deadline.count());
    output.status = *status;
    return output;
}

Result<std::string> boot_id() {
    HAKO_TRY(const auto text, read_file("/proc/sys/kernel/random/boot_id"));
    return std::string(trim(text));
}

Result<ProcessIdentity> identify_process(pid_t pid) {
    HAKO_TRY(const std::string text, read_file(fmt::format("/proc/{}/stat", pid)));
    // The name in brackets may hold anything; the fields after the last bracket are plain.
    std::string_view rest = std::string_view(text).substr(text.rfind(')') + 1);
    constexpr int kFieldsBefore = 19;  // state is field 3, the start time field 22
    for (int field = 0; field < kFieldsBefore; ++field) {
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        rest.remove_prefix(std::min(rest.find(' '), rest.size()));
    }
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    ProcessIdentity identity{.pid = pid, .start_time = 0};
    if (std::from_chars(rest.data(), rest.data() + rest.size(), identity.start_time).ec !=
        std::errc{})
        return fail(ErrorKind::internal, "cannot read the start time of process {}", pid);
    return identity;
}

bool is_alive(const ProcessIdentity& identity) {
    const auto now = identify_process(identity.pid);
    if (!now || now->start_time != identity.start_time) return false;
    // One that has ended and that its parent did not reap yet is not alive.
    const auto text = read_file(fmt::format("/proc/{}/stat", identity.pid));
    return text && text->substr(text->rfind(')') + 1, 3) != " Z ";
}

Result<void> kill_process(const ProcessIdentity& identity, std::chrono::milliseconds deadline) {
    auto pidfd = open_pidfd(identity.pid);
    if (!pidfd || !is_alive(identity)) return {};
    if (auto sent = signal_pidfd(pidfd->get(), SIGKILL);
        !sent && sent.error().kind() != ErrorKind::not_found)
        return sent;
    HAKO_TRY(const bool gone, wait_readable(pidfd->get(), deadline));
    if (!gone)
        return fail(ErrorKind::deadline, "process {} did not end after SIGKILL", identity.pid);
    return {};
}

}  // namespace hako
