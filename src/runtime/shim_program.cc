#include "runtime/shim_program.h"

#include <fcntl.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "base/thread.h"
#include "guest/lock_checks.h"
#include "runtime/shim_record.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kReadyFd = 3;  // of a detached shim: it writes a byte here once it serves
constexpr auto kReadyDeadline = std::chrono::seconds(15);
constexpr int kMaxThreads = 128;
constexpr auto kCallsEnd = std::chrono::seconds(5);
// For the last answers to leave. Not longer: gRPC would also wait for clients to hang up, which an
// idle client does when it next looks.
constexpr auto kAnswersLeave = std::chrono::milliseconds(100);

Result<SandboxSpec> read_spec(const fs::path& file) {
    HAKO_TRY(const auto text, read_file(file));
    HAKO_TRY(const auto json, with_context(parse_json(text), file.native()));
    return with_context(sandbox_spec_from_json(json), file.native());
}

sigset_t stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

Result<void> serve_here(const fs::path& file, Fd ready, const ServeSandbox& serve) {
    // Small and quiet: few malloc arenas, no signal handlers, a closed pipe is an error value.
    ::mallopt(M_ARENA_MAX, 2);
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    HAKO_TRY(auto spec, read_spec(file));
    HAKO_TRY(const auto identity, identify_process(::getpid()));
    HAKO_CHECK(write_shim_record(spec.shim_record(), {.shim = identity, .qemu = {}}));
    return serve(std::move(spec), [&]() -> Result<void> {
        if (ready) HAKO_CHECK(write_all(ready.get(), "1"));
        ready.reset();
        return {};
    });
}

Result<void> detach(const fs::path& file, const fs::path& self) {
    HAKO_TRY(const auto spec, read_spec(file));
    HAKO_TRY(const Fd log, open_file(spec.shim_log(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    HAKO_TRY(FdPair ready, make_pipe());
    HAKO_TRY(Process shim, spawn({.argv = {self.native(), "--spec", file.native(), "--detached"},
                                  .new_session = true},
                                 {{.source = log.get(), .target = STDERR_FILENO},
                                  {.source = ready.second.get(), .target = kReadyFd}}));
    ready.second.reset();
    HAKO_TRY(const bool answered, wait_readable(ready.first.get(), kReadyDeadline));
    std::byte byte{};
    HAKO_TRY(const auto count,
             answered ? read_some(ready.first.get(), {&byte, 1}) : Result<std::size_t>(0));
    if (count == 1) {
        shim.release();
        return {};
    }
    const auto words = read_file(spec.shim_log());
    return fail(ErrorKind::unavailable, "the shim ended at its start: {}",
                words ? *words : "no reason given");
}

}  // namespace

StopSignals::StopSignals(std::function<void()> stop)
    : thread_(start_thread("signals", [stop = std::move(stop)](const std::stop_token& over) {
          const sigset_t signals = stop_signals();
          int number = 0;
          while (::sigwait(&signals, &number) == 0 && !over.stop_requested()) stop();
      })) {}

StopSignals::~StopSignals() {
    thread_.request_stop();
    ::pthread_kill(thread_.native_handle(), SIGTERM);
}

Result<void> run_shim(std::span<const std::string_view> arguments, const ServeSandbox& serve) {
    std::error_code error;
    const auto self = fs::read_symlink("/proc/self/exe", error);
    const auto wrong = [&] {
        return fail(ErrorKind::invalid, "usage: {} --spec FILE [--detach]",
                    self.filename().native());
    };
    if (arguments.size() < 2 || arguments.size() > 3 || arguments[0] != "--spec") return wrong();
    const fs::path file = arguments[1];
    if (arguments.size() == 2) return serve_here(file, Fd(), serve);
    if (arguments[2] == "--detach") return detach(file, self);
    if (arguments[2] == "--detached") return serve_here(file, Fd(kReadyFd), serve);
    return wrong();
}

void ShimCalls::wait_for_end() {
    auto running = running_.lock();
    returned_.wait_for(running.lock(), kCallsEnd, [&] { return *running == 0; });
}

void fill(shim::v1::ExitStatus& into, const ExitRecord& record) {
    into.set_code(record.code);
    into.set_oom_killed(record.oom_killed);
    into.set_exited_at_unix_ns(record.exited_at.time_since_epoch().count());
    into.set_reason(record.reason);
}

void end_serving(grpc::Server& server, const fs::path& socket) {
    server.Shutdown(std::chrono::system_clock::now() + kAnswersLeave);
    std::error_code ignored;
    fs::remove(socket, ignored);
}

Result<std::unique_ptr<grpc::Server>> serve_on(const fs::path& socket, grpc::Service& service) {
    std::error_code ignored;
    fs::remove(socket, ignored);
    guest::leave_lock_checks_out();
    // One queue and one waiting thread.
    grpc::ServerBuilder builder;
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2)
        .SetResourceQuota(grpc::ResourceQuota("shim").SetMaxThreads(kMaxThreads))
        .AddListeningPort("unix:" + socket.native(), grpc::InsecureServerCredentials())
        .RegisterService(&service);
    auto server = builder.BuildAndStart();
    if (!server) return fail(ErrorKind::unavailable, "cannot serve on {}", socket.native());
    if (::chmod(socket.c_str(), 0600) != 0)
        return fail_errno(errno, "cannot protect {}", socket.native());
    return server;
}

}  // namespace hako::runtime
