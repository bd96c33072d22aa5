#include "runtime/container_process.h"

#include "base/log.h"
#include "base/thread.h"

namespace hako::runtime {
namespace {

constexpr int kKilledByVm = 137;  // as if by SIGKILL
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

LogStream log_stream(guest::Stdio::Stream stream) {
    return stream == guest::Stdio::Stream::err ? LogStream::err : LogStream::out;
}

}  // namespace

Result<std::unique_ptr<ContainerProcess>> ContainerProcess::create(guest::AgentClient& agent,
                                                                   Setup setup) {
    HAKO_TRY(auto log, LogWriter::open(setup.log, setup.log_limits));
    HAKO_CHECK(agent.create_process(setup.spec));
    std::unique_ptr<ContainerProcess> process(
        new ContainerProcess(agent, std::move(setup), std::move(log)));
    HAKO_TRY(process->stdio_, agent.stdio(process->id()));
    return process;
}

ContainerProcess::~ContainerProcess() {
    if (stdio_) stdio_->cancel();
}

Result<ContainerProcess::Started> ContainerProcess::start() {
    if (std::exchange(state_.lock()->start_asked, true))
        return fail(ErrorKind::conflict, "the process was started already");
    const auto pid = agent_.start_process(id());
    if (!pid) {
        const bool not_found = pid.error().kind() == ErrorKind::exec_not_found;
        finish({.code = not_found ? kNotFound : kNotExecutable, .exited_at = now()});
        return fail(pid.error());
    }
    const Started started{.pid = *pid, .at = now()};
    state_.lock()->started = started;
    follower_ = start_thread("stdio", [this](auto) { follow(); });
    return started;
}

Result<void> ContainerProcess::write(std::span<const std::byte> data) {
    return stdio_->write(data);
}
Result<void> ContainerProcess::close_input() { return stdio_->close_input(); }

std::optional<ExitRecord> ContainerProcess::wait(std::chrono::milliseconds timeout) const {
    auto state = state_.lock();
    ended_.wait_for(state.lock(), timeout, [&] { return state->exit.has_value(); });
    return state->exit;
}

void ContainerProcess::follow() {
    bool complained = false;
    for (;;) {
        const auto output = stdio_->read();
        if (!output || !*output) break;
        const auto kept = log_.append(log_stream((*output)->stream), as_bytes((*output)->data));
        // A full disk loses output, but must not stop the container.
        if (!kept && !std::exchange(complained, true))
            log_error("{}: output is lost: {}", id().process, kept.error().message());
    }
    finish(await_exit());
}

ExitRecord ContainerProcess::await_exit() {
    const auto exit = agent_.wait(id());
    if (exit)
        return {.code = exit->code, .oom_killed = exit->oom_killed, .exited_at = exit->exited_at};
    return {.code = kKilledByVm, .exited_at = now(), .reason = setup_.explain_loss()};
}

void ContainerProcess::finish(const ExitRecord& record) {
    if (const auto done = log_.finish(); !done)
        log_error("{}: the log has no end: {}", id().process, done.error().message());
    if (setup_.on_exit) setup_.on_exit(record);
    state_.lock()->exit = record;
    ended_.notify_all();
}

}  // namespace hako::runtime
