#include "init/vminitd/reaper.h"

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/thread.h"

namespace hako::init {
namespace {

ExitStatus status_of(const siginfo_t& info) {
    ExitStatus status;
    (info.si_code == CLD_EXITED ? status.code : status.signal) = info.si_status;
    return status;
}

}  // namespace

Reaper::Reaper() : thread_(start_thread("reaper", [this](std::stop_token stop) { run(stop); })) {}

Reaper::~Reaper() {
    thread_.request_stop();
    arrived_.notify_all();
}

Result<pid_t> Reaper::adopt(const std::function<Result<pid_t>()>& start, OnExit on_exit) {
    auto children = children_.lock();
    HAKO_TRY(const auto pid, start());
    children->insert_or_assign(pid, std::move(on_exit));
    arrived_.notify_all();
    return pid;
}

void Reaper::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0) {
            if (errno == EINTR) continue;
            // No children at all: orphans come from those we start only.
            auto children = children_.lock();
            arrived_.wait(children.lock(),
                          [&] { return stop.stop_requested() || !children->empty(); });
            continue;
        }
        OnExit on_exit;
        {
            auto children = children_.lock();
            siginfo_t reaped{};
            if (::waitid(P_PID, static_cast<id_t>(info.si_pid), &reaped, WEXITED | WNOHANG) != 0)
                continue;
            if (auto node = children->extract(info.si_pid)) on_exit = std::move(node.mapped());
        }
        if (on_exit) on_exit(status_of(info));
    }
}

}  // namespace hako::init
