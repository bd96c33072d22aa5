#include "init/vminitd/launcher.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd_message.h"
#include "init/common/vmexec_protocol.h"

namespace hako::init {
namespace {

Result<Fd> make_memory_file(const char* name, std::string_view content) {
    Fd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot make a memory file");
    HAKO_CHECK(write_all(fd.get(), content));
    return fd;
}

Result<FdPair> make_packet_pair() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0)
        return fail_errno(errno, "cannot make a socket pair for vmexec");
    return FdPair{Fd(fds[0]), Fd(fds[1])};
}

// The child's descriptors 0 to 6, each a copy above all of them, so that placing one does not
// overwrite another.
using ChildFds = std::array<Fd, kContainerFd + 1>;

Result<void> place(ChildFds& fds, int target, int source) {
    if (source < 0) return {};
    fds[static_cast<std::size_t>(target)] = Fd(::fcntl(source, F_DUPFD_CLOEXEC, kContainerFd + 1));
    if (!fds[static_cast<std::size_t>(target)])
        return fail_errno(errno, "cannot copy a descriptor for vmexec");
    return {};
}

Result<ChildFds> prepare_fds(const Launch& launch, int control) {
    HAKO_TRY(const auto null, open_file("/dev/null", O_RDWR));
    HAKO_TRY(const auto request, make_memory_file("request", dump_json(launch.request)));
    ChildFds fds;
    HAKO_CHECK(place(fds, 0, launch.in >= 0 ? launch.in : null.get()));
    HAKO_CHECK(place(fds, 1, launch.out >= 0 ? launch.out : null.get()));
    HAKO_CHECK(place(fds, 2, launch.err >= 0 ? launch.err : null.get()));
    HAKO_CHECK(place(fds, kRequestFd, request.get()));
    HAKO_CHECK(place(fds, kControlFd, control));
    HAKO_CHECK(place(fds, kContainerFd, launch.container));
    if (!launch.seccomp.empty()) {
        HAKO_TRY(const auto filter, make_memory_file("seccomp", launch.seccomp));
        HAKO_CHECK(place(fds, kSeccompFd, filter.get()));
    }
    return fds;
}

struct Child {
    pid_t pid = -1;
    Fd pidfd;
};

// Between clone and exec there are system calls only: other threads may hold any lock.
Result<Child> clone_and_exec(const std::string& program, const Launch& launch,
                             const ChildFds& fds) {
    std::string name = "vmexec";
    const std::array<char*, 2> argv{name.data(), nullptr};
    const std::array<char*, 1> environment{nullptr};
    int pidfd = -1;
    clone_args args{};
    args.flags = launch.namespaces | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (launch.cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<std::uint64_t>(launch.cgroup);
    }
    const auto pid = ::syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0) return fail_errno(errno, "cannot start a process");
    if (pid == 0) {
        for (std::size_t target = 0; target < fds.size(); ++target)
            if (fds[target]) ::dup2(fds[target].get(), static_cast<int>(target));
        ::execve(program.c_str(), argv.data(), environment.data());
        ::_exit(127);
    }
    return Child{static_cast<pid_t>(pid), Fd(pidfd)};
}

Result<Child> reported_child(Conversation& conversation) {
    HAKO_TRY(const auto report, conversation.receive());
    if (!report) return fail(ErrorKind::internal, "vmexec ended without a word");
    HAKO_TRY(const auto pid, json_field_or<pid_t>(report->json, "pid", -1));
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) return fail_errno(errno, "cannot open the new process {}", pid);
    return Child{pid, std::move(pidfd)};
}

ErrorKind kind_named(std::string_view name) {
    for (int number = 0; number <= static_cast<int>(ErrorKind::internal); ++number)
        if (to_string(static_cast<ErrorKind>(number)) == name)
            return static_cast<ErrorKind>(number);
    return ErrorKind::internal;
}

}  // namespace

Result<std::optional<Conversation::Report>> Conversation::receive() {
    std::string text(kMaxControlMessage, '\0');
    HAKO_TRY(FdMessage message,
             with_context(receive_message(control_.get(), text), "cannot hear vmexec"));
    if (message.size == 0) return std::nullopt;
    text.resize(message.size);

    Report report{.json = {}, .fd = std::move(message.fd)};
    HAKO_TRY(report.json, parse_json(text));
    HAKO_TRY(const auto error, json_field<std::string>(report.json, "error"));
    if (!error) return report;
    HAKO_TRY(const auto kind, json_field_or<std::string>(report.json, "kind", ""));
    return fail(kind_named(kind), "{}", *error);
}

Result<void> Conversation::go() {
    if (::send(control_.get(), "!", 1, MSG_NOSIGNAL) != 1)
        return fail_errno(errno, "the prepared process is gone");
    return {};
}

Result<Launched> Launcher::start(const Launch& launch, Reaper::OnExit on_exit) {
    HAKO_TRY(auto sockets, make_packet_pair());
    HAKO_TRY(auto fds, prepare_fds(launch, sockets.second.get()));
    Conversation conversation(std::move(sockets.first));
    Child child;
    const auto start = [&]() -> Result<pid_t> {
        HAKO_TRY(child, clone_and_exec(vmexec_, launch, fds));
        // The conversation ends when the child has the only other end.
        sockets.second.reset();
        fds = {};
        return child.pid;
    };
    const auto start_and_fork = [&]() -> Result<pid_t> {
        HAKO_CHECK(start());
        HAKO_TRY(child, reported_child(conversation));
        return child.pid;
    };
    HAKO_TRY(const auto pid, launch.forks ? reaper_.adopt(start_and_fork, std::move(on_exit))
                                          : reaper_.adopt(start, std::move(on_exit)));
    return Launched{pid, std::move(child.pidfd), std::move(conversation)};
}

}  // namespace hako::init
