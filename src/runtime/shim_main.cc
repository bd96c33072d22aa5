#include "runtime/shim_main.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/thread.h"
#include "base/units.h"
#include "runtime/sandbox.h"
#include "runtime/sandbox_spec.h"
#include "runtime/shim_record.h"
#include "runtime/shim_service.h"
#include "vmm/jail.h"
#include "vmm/share_server.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kReadyFd = 3;  // of a detached shim: it writes a byte here once it serves
constexpr auto kReadyDeadline = std::chrono::seconds(15);
constexpr auto kReasonIsRead = std::chrono::seconds(10);
constexpr auto kStopGrace = std::chrono::seconds(10);
constexpr std::size_t kStackBytes = 512 * kKiB;
constexpr rlim_t kMostMemory = 192 * kMiB;

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

// All that a guest can make gRPC keep is in here; beyond it the shim ends, and its VM with it. The
// stacks of threads count whole.
void limit_memory() {
    pthread_attr_t threads;
    ::pthread_attr_init(&threads);
    ::pthread_attr_setstacksize(&threads, kStackBytes);
    ::pthread_setattr_default_np(&threads);
    ::pthread_attr_destroy(&threads);
    rlimit data{};
    ::getrlimit(RLIMIT_DATA, &data);
    data.rlim_cur = std::min<rlim_t>(data.rlim_max, kMostMemory);  // QEMU takes it back
    ::setrlimit(RLIMIT_DATA, &data);
}

Result<void> serve(const fs::path& file, const fs::path& self, Fd ready) {
    // Small and quiet: few malloc arenas, no signal handlers, a closed pipe is an error value.
    ::mallopt(M_ARENA_MAX, 2);
    limit_memory();
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    const WallTime begun = now();
    HAKO_TRY(auto spec, read_spec(file));
    HAKO_TRY(const auto identity, identify_process(::getpid()));
    HAKO_CHECK(write_shim_record(spec.shim_record(), {.shim = identity, .qemu = {}}));
    const auto socket = spec.socket();
    Sandbox sandbox(std::move(spec),
                    {.jail = {self.native(), "jail"}, .share_stage = {self.native(), "shares"}});
    HAKO_TRY(auto server, ShimServer::start(sandbox, socket));
    sandbox.trace().add("serve", begun, now());
    if (ready) HAKO_CHECK(write_all(ready.get(), "1"));
    ready.reset();
    auto stopper = start_thread("signals", [&](const std::stop_token& stop) {
        int number = 0;
        while (::sigwait(&signals, &number) == 0 && !stop.stop_requested())
            (void)sandbox.shutdown(kStopGrace);
    });
    sandbox.run();
    // A VM that failed at once: whoever asked for it may not have asked for the reason yet.
    const auto outcome = sandbox.wait_ready(std::chrono::milliseconds(0));
    if (outcome && !*outcome && outcome->error().kind() != ErrorKind::cancelled)
        server->wait_ready_answered(kReasonIsRead);
    server.reset();
    stopper.request_stop();
    ::pthread_kill(stopper.native_handle(), SIGTERM);
    return {};
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

Result<void> run(std::span<const std::string_view> arguments) {
    constexpr std::string_view kUsage = "usage: hako-shim --spec FILE [--detach]";
    if (arguments.size() < 2 || arguments.size() > 3 || arguments[0] != "--spec")
        return fail(ErrorKind::invalid, "{}", kUsage);
    const fs::path file = arguments[1];
    std::error_code error;
    const auto self = fs::read_symlink("/proc/self/exe", error);
    if (arguments.size() == 2) return serve(file, self, Fd());
    if (arguments[2] == "--detach") return detach(file, self);
    if (arguments[2] == "--detached") return serve(file, self, Fd(kReadyFd));
    return fail(ErrorKind::invalid, "{}", kUsage);
}

}  // namespace

int shim_main(std::span<const std::string_view> arguments) {
    if (!arguments.empty() && arguments[0] == "jail") return vmm::jail_main();
    if (!arguments.empty() && arguments[0] == "shares") return vmm::share_stage_main();
    init_log("hako-shim", LogLevel::info);
    const auto done = run(arguments);
    if (!done) std::fprintf(stderr, "hako-shim: %s\n", done.error().message().c_str());
    return done ? 0 : 1;
}

}  // namespace hako::runtime
