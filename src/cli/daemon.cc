#include "cli/daemon.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "base/process.h"
#include "http/client.h"

namespace hako::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval{20};

bool answers(const DaemonPaths& paths) {
    const http::Client client(http::Endpoint::unix_socket(paths.socket()));
    const auto pong = client.call({.target = "/_ping", .timeout = std::chrono::seconds(2)});
    return pong.has_value();
}

// What the log says since `offset`, its last lines.
std::string log_tail(const std::filesystem::path& log, std::uintmax_t offset) {
    constexpr std::size_t kShown = 2000;
    auto text = read_file(log);
    if (!text || text->size() <= offset) return "it wrote nothing";
    auto tail = text->substr(
        std::max<std::size_t>(offset, text->size() > kShown ? text->size() - kShown : 0));
    while (tail.ends_with('\n')) tail.pop_back();
    return "it wrote:\n" + tail;
}

// How long the daemon of another client may take to answer when ours gave way to it.
constexpr std::chrono::seconds kOthersGrace(5);
constexpr std::chrono::minutes kResetDeadline(10);  // of images there may be many

// hakod with its folders.
Result<Command> daemon_command(const DaemonPaths& paths) {
    auto program = paths.program;
    if (program.empty()) {
        HAKO_TRY(const auto installation, Installation::find());
        program = installation.daemon();
    }
    return Command{.argv = {program, "--root", paths.root, "--run", paths.run},
                   .new_session = true};
}

Result<Process> spawn_daemon(const DaemonPaths& paths) {
    HAKO_TRY(const Command command, daemon_command(paths));
    HAKO_CHECK(make_folders(paths.run, 0755));
    HAKO_TRY(const auto log, open_file(paths.log(), O_WRONLY | O_CREAT | O_APPEND, 0640));
    return spawn(command, {{log.get(), STDOUT_FILENO}, {log.get(), STDERR_FILENO}});
}

}  // namespace

Result<void> start_daemon(const DaemonPaths& paths, std::chrono::milliseconds deadline) {
    std::error_code no_log_yet;
    const auto size = std::filesystem::file_size(paths.log(), no_log_yet);
    const auto offset = no_log_yet ? 0 : size;
    auto spawned = spawn_daemon(paths);
    if (!spawned) return fail(std::move(spawned.error()).context("cannot start the daemon"));
    Process daemon = *std::move(spawned);

    std::optional<ExitStatus> ended;
    for (auto end = Clock::now() + deadline; Clock::now() < end;) {
        if (answers(paths)) {
            daemon.release();
            return {};
        }
        if (ended) {
            std::this_thread::sleep_for(kPollInterval);
            continue;
        }
        HAKO_TRY(ended, daemon.wait(kPollInterval));
        // Another client may have started one at the same moment, and that one is still on its way.
        if (ended) end = std::min(end, Clock::now() + kOthersGrace);
    }
    if (ended)
        return fail(ErrorKind::unavailable, "the daemon ended at once ({}), {}", to_string(*ended),
                    log_tail(paths.log(), offset));
    (void)daemon.stop(std::chrono::seconds(2));
    return fail(ErrorKind::deadline, "the daemon did not answer on {} within {} s, {}",
                paths.socket().string(), deadline.count() / 1000, log_tail(paths.log(), offset));
}

Result<pid_t> daemon_pid(const DaemonPaths& paths) {
    auto socket = connect_unix(paths.socket());
    if (!socket)
        return fail(ErrorKind::unavailable, "no daemon listens on {}", paths.socket().string());
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return fail_errno(errno, "cannot tell who listens on {}", paths.socket().string());
    const auto name = read_file(fmt::format("/proc/{}/comm", peer.pid));
    if (!name || *name != "hakod\n")
        return fail(ErrorKind::conflict,
                    "{} is not held by a hakod of ours; use systemctl if systemd runs the daemon",
                    paths.socket().string());
    return peer.pid;
}

Result<void> stop_daemon(const DaemonPaths& paths, std::chrono::milliseconds deadline) {
    HAKO_TRY(const auto pid, daemon_pid(paths));
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    // It may have ended by itself, and its pid may be somebody else's by now.
    if (!process || !daemon_pid(paths)) return {};
    if (::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0) != 0 && errno != ESRCH)
        return fail_errno(errno, "cannot stop the daemon (process {})", pid);
    HAKO_TRY(const bool ended, wait_readable(process.get(), deadline));
    if (!ended)
        return fail(ErrorKind::deadline, "the daemon (process {}) did not end within {} s", pid,
                    deadline.count() / 1000);
    return {};
}

Result<void> reset_daemon(const DaemonPaths& paths) {
    const auto stopped = stop_daemon(paths);
    if (!stopped && stopped.error().kind() != ErrorKind::unavailable) return stopped;
    HAKO_TRY(Command command, daemon_command(paths));
    command.argv.emplace_back("--reset");
    HAKO_TRY(const CommandOutput output, run(command, kResetDeadline));
    if (!output.status.success())
        return fail(ErrorKind::internal, "the daemon's things are not all removed: {}", output.err);
    std::error_code ignored;
    std::filesystem::remove(paths.log(), ignored);
    return {};
}

}  // namespace hako::cli
