#include "vmm/share_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "vmm/share_stage.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kStageDeadline(10'000);
constexpr milliseconds kEndGrace(2'000);
constexpr const char* kPlaces[] = {"/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd"};

struct Connection {
    Fd listener;
    Fd client;
};

// virtiofsd wants to accept its one connection itself. The kernel picks an abstract name, which
// nobody needs any more once both ends exist.
Result<Connection> connect_to_ourselves() {
    Connection made{Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                    Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t length = sizeof address.sun_family;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    bool fine = made.listener && made.client && ::bind(made.listener.get(), any, length) == 0;
    length = sizeof address;
    fine = fine && ::getsockname(made.listener.get(), any, &length) == 0 &&
           ::listen(made.listener.get(), 1) == 0 && ::connect(made.client.get(), any, length) == 0;
    if (!fine) return fail_errno(errno, "cannot make the shares' socket");
    return made;
}

// Its end without a word is success: the pipe closes when virtiofsd takes over.
Result<void> wait_for_stage(int reasons) {
    HAKO_TRY(const bool spoke, wait_readable(reasons, kStageDeadline));
    if (!spoke) return fail(ErrorKind::deadline, "the shares are not ready in time");
    HAKO_TRY(const auto text, read_to_end(reasons));
    if (!text.empty()) return fail(ErrorKind::invalid, "{}", text);
    return {};
}

// Does what is written to it; the result still runs if it became virtiofsd.
Result<Process> run_stage(const std::vector<std::string>& program, const StageSpec& spec,
                          int listener, bool is_trial) {
    HAKO_TRY(FdPair input, make_pipe());
    HAKO_TRY(FdPair reasons, make_pipe());
    std::vector<FdMapping> files = {{.source = input.first.get(), .target = STDIN_FILENO},
                                    {.source = reasons.second.get(), .target = kStageReasonsFd}};
    if (!is_trial) files.push_back({.source = STDERR_FILENO, .target = STDERR_FILENO});
    if (listener >= 0) files.push_back({.source = listener, .target = kStageListenerFd});
    HAKO_TRY(Process process, spawn({.argv = program, .new_session = true}, files));
    reasons.second.reset();
    input.first.reset();
    HAKO_CHECK(write_all(input.second.get(), dump_json(to_json(spec))));
    input.second.reset();
    HAKO_CHECK(wait_for_stage(reasons.first.get()));
    return process;
}

}  // namespace

Result<fs::path> find_virtiofsd() {
    if (const char* named = std::getenv("HAKO_VIRTIOFSD"); named != nullptr && *named != '\0')
        return fs::path(named);
    for (const fs::path place : kPlaces)
        if (::access(place.c_str(), X_OK) == 0) return place;
    return fail(ErrorKind::not_found,
                "sharing folders needs virtiofsd, which is not at {}: install Debian's "
                "qemu-system-common, or name the program by HAKO_VIRTIOFSD",
                kPlaces[0]);
}

Result<ShareServer> ShareServer::start(const std::vector<Share>& shares,
                                       const std::vector<std::string>& stage,
                                       const std::vector<fs::path>& cgroup_procs, bool is_trial) {
    HAKO_TRY(const auto program, find_virtiofsd());
    HAKO_TRY(Connection connection, connect_to_ourselves());
    HAKO_TRY(Process process, run_stage(stage,
                                        {.program = program,
                                         .shares = shares,
                                         .cgroup_procs = cgroup_procs,
                                         .parent = ::getpid()},
                                        connection.listener.get(), is_trial));
    return ShareServer(std::move(process), std::move(connection.client), stage);
}

Result<void> ShareServer::add(const std::vector<Share>& shares) {
    return change({.shares = shares, .server = process_.pid()});
}

Result<void> ShareServer::remove(const std::vector<std::string>& names) {
    return change({.server = process_.pid(), .removed = names});
}

Result<void> ShareServer::change(const StageSpec& spec) {
    HAKO_TRY(Process process, run_stage(stage_, spec, -1, false));
    HAKO_TRY(const auto ended, process.wait(kStageDeadline));
    if (ended && ended->success()) return {};
    return fail(ErrorKind::internal, "the shares cannot be changed");
}

std::size_t ShareServer::max_files() const {
    rlimit limit{};
    return ::prlimit(process_.pid(), RLIMIT_NOFILE, nullptr, &limit) == 0 ? limit.rlim_cur : 0;
}

ShareServer::~ShareServer() {
    connection_.reset();
    if (process_.pid() > 0) (void)process_.wait(kEndGrace);
}

}  // namespace hako::vmm
