#include "runtime/container_process.h"

#include "base/log.h"
#include "base/thread.h"

namespace hako::runtime {
namespace {

constexpr int kKilledByVm = 137;  // as if by SIGKILL
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;
constexpr int kHighestCode = 255;
constexpr std::uint64_t kMostUnread = 16 * kMiB;

LogStream log_stream(guest::Stdio::Stream stream) {
    return stream == guest::Stdio::Stream::err ? LogStream::err : LogStream::out;
}

}  // namespace

Result<std::unique_ptr<ContainerProcess>> ContainerProcess::create(guest::AgentClient& agent,
                                                                   Setup setup) {
    HAKO_TRY(auto log, OutputLog::open(setup.log));
    HAKO_TRY(auto stdio, agent.create_process(setup.spec));
    return std::unique_ptr<ContainerProcess>(
        new ContainerProcess(agent, std::move(setup), std::move(log), std::move(stdio)));
}

ContainerProcess::~ContainerProcess() { stdio_.cancel(); }

Result<ContainerProcess::Started> ContainerProcess::start() {
    if (std::exchange(state_.lock()->start_asked, true))
        return fail(ErrorKind::conflict, "the process was started already");
    const auto pid = agent_.start_process(id());
    if (!pid) {
        finish(never_started(pid.error()));
        return fail(pid.error());
    }
    const Started started{.pid = *pid, .at = now()};
    state_.lock()->started = started;
    follower_ = start_thread("stdio", [this](const std::stop_token& stop) { follow(stop); });
    return started;
}

Result<void> ContainerProcess::write(std::span<const std::byte> data) { return stdio_.write(data); }
Result<void> ContainerProcess::close_input() { return stdio_.close_input(); }

std::optional<ExitRecord> ContainerProcess::wait(std::chrono::milliseconds timeout) const {
    auto state = state_.lock();
    ended_.wait_for(state.lock(), timeout, [&] { return state->exit.has_value(); });
    return state->exit;
}

void ContainerProcess::follow(const std::stop_token& stop) {
    bool complained = false;
    bool is_read = true;
    for (;;) {
        const auto output = stdio_.read();
        if (!output || !*output) break;
        if (setup_.read_once) is_read = is_read && log_.wait_for_reader(kMostUnread, stop);
        if (!is_read) continue;
        const auto kept = log_.append(log_stream((*output)->stream), as_bytes((*output)->data));
        // A full disk loses output, but must not stop the container.
        if (!kept && !std::exchange(complained, true))
            log_error("{}: output is lost: {}", id().process, kept.error().message());
    }
    const ExitRecord exit = await_exit();
    if (setup_.before_exit) setup_.before_exit();
    finish(exit);
}

ExitRecord ContainerProcess::await_exit() {
    std::optional<guest::ProcessExit> exit = stdio_.exit();
    if (!exit)  // its output broke off, which is not its end
        if (const auto waited = agent_.wait(id())) exit = *waited;
    if (!exit) return lost();
    // The guest may say what it likes, but no exit has such a code or time.
    const auto begun = state_.lock()->started->at;
    const auto end = now();
    const bool is_code = exit->code >= 0 && exit->code <= kHighestCode;
    const bool is_time = exit->exited_at >= begun && exit->exited_at <= end;
    return {.code = is_code ? exit->code : kKilledByVm,
            .oom_killed = exit->oom_killed,
            .exited_at = is_time ? exit->exited_at : end};
}

ExitRecord ContainerProcess::lost() const {
    return {.code = kKilledByVm, .exited_at = now(), .reason = setup_.explain_loss()};
}

ExitRecord ContainerProcess::never_started(const Error& error) const {
    switch (error.kind()) {
        case ErrorKind::exec_not_found: return {.code = kNotFound, .exited_at = now()};
        case ErrorKind::unavailable:
        case ErrorKind::deadline: return lost();
        default: return {.code = kNotExecutable, .exited_at = now()};
    }
}

void ContainerProcess::finish(const ExitRecord& record) {
    if (const auto done = log_.finish(); !done)
        log_error("{}: the log has no end: {}", id().process, done.error().message());
    if (setup_.on_exit) setup_.on_exit(record);
    state_.lock()->exit = record;
    ended_.notify_all();
}

}  // namespace hako::runtime
