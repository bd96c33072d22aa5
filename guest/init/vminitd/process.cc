#include "init/vminitd/process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace hako::init {

agent::v1::ExitStatus to_message(const ProcessEnd& end) {
    agent::v1::ExitStatus message;
    message.set_code(end.code);
    message.set_signal(end.signal);
    message.set_oom_killed(end.oom_killed);
    message.set_exited_at_unix_ns(end.at.time_since_epoch().count());
    return message;
}

Result<std::shared_ptr<ContainerProcess>> ContainerProcess::create(Launcher& launcher,
                                                                   Launch launch, Options options) {
    const bool terminal = options.terminal;
    Streams::ProcessEnds ends;
    HAKO_TRY(auto streams,
             terminal ? Streams::with_terminal() : Streams::with_pipes(options.input, ends));
    launch.in = ends.in.get();
    launch.out = ends.out.get();
    launch.err = ends.err.get();

    const std::shared_ptr<ContainerProcess> process(
        new ContainerProcess(std::move(options), std::move(streams)));
    HAKO_TRY(auto launched,
             launcher.start(launch, [weak = std::weak_ptr(process)](const ExitStatus& status) {
                 if (const auto self = weak.lock()) self->on_exit(status);
             }));
    process->pid_ = launched.pid;
    process->pidfd_ = std::move(launched.pidfd);
    process->conversation_ = std::move(launched.conversation);
    HAKO_TRY(auto ready, process->conversation_->receive());
    if (!ready) return fail(ErrorKind::internal, "vmexec ended before the process was prepared");
    if (terminal) HAKO_CHECK(process->streams_.set_terminal(std::move(ready->fd)));
    return process;
}

// A process that was prepared and never started notices that its conversation ended. One that runs
// is killed by its container's cgroup, or stays if nobody asked for its end.
ContainerProcess::~ContainerProcess() = default;

Result<pid_t> ContainerProcess::start() {
    {
        auto state = state_.lock();
        if (state->started)
            return fail(ErrorKind::conflict, "process {} has been started already", id_);
        state->started = true;
    }
    HAKO_CHECK(conversation_->go());
    auto report = conversation_->receive();
    conversation_.reset();
    if (report && !*report) return pid_;
    // vmexec is about to end; the caller may delete the process at once.
    auto state = state_.lock();
    changed_.wait_for(state.lock(), std::chrono::seconds(10),
                      [&] { return state->end.has_value(); });
    return report ? fail(ErrorKind::internal, "vmexec says more than it should")
                  : fail(report.error());
}

Result<void> ContainerProcess::signal(int number) const {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0) return {};
    if (errno == ESRCH) return fail(ErrorKind::not_found, "process {} has ended", id_);
    return fail_errno(errno, "cannot send signal {} to process {}", number, id_);
}

Result<void> ContainerProcess::resize(unsigned columns, unsigned rows) {
    return streams_.resize(columns, rows);
}

void ContainerProcess::finish_output() {
    state_.lock()->output_done = true;
    changed_.notify_all();
}

Result<ProcessEnd> ContainerProcess::wait(const std::function<bool()>& cancelled) {
    auto state = state_.lock();
    while (!state->end || !state->output_done) {
        if (cancelled()) return fail(ErrorKind::cancelled, "the caller waits no longer");
        changed_.wait_for(state.lock(), std::chrono::seconds(1));
    }
    return *state->end;
}

void ContainerProcess::on_exit(const ExitStatus& status) {
    ProcessEnd end{status.shell_code(), status.signal, false, now()};
    if (on_end_) on_end_(end);
    auto state = state_.lock();
    state->end = end;
    streams_.process_ended();
    changed_.notify_all();
}

}  // namespace hako::init
