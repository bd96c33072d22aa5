#include "runtime/shim_main.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "base/sanitizer.h"
#include "base/units.h"
#include "runtime/sandbox.h"
#include "runtime/shim_program.h"
#include "runtime/shim_service.h"
#include "vmm/jail.h"
#include "vmm/share_server.h"

namespace hako::runtime {
namespace {

constexpr auto kReasonIsRead = std::chrono::seconds(10);
constexpr auto kStopGrace = std::chrono::seconds(10);
constexpr std::size_t kStackBytes = 512 * kKiB;
constexpr rlim_t kMostMemory = 192 * kMiB;

// All that a guest can make gRPC keep is in here; beyond it the shim ends, and its VM with it. The
// stacks of threads count whole.
void limit_memory() {
    pthread_attr_t threads;
    ::pthread_attr_init(&threads);
    ::pthread_attr_setstacksize(&threads, kStackBytes);
    ::pthread_setattr_default_np(&threads);
    ::pthread_attr_destroy(&threads);
    if (kSanitized) return;
    rlimit data{};
    ::getrlimit(RLIMIT_DATA, &data);
    data.rlim_cur = std::min<rlim_t>(data.rlim_max, kMostMemory);  // QEMU takes it back
    ::setrlimit(RLIMIT_DATA, &data);
}

Result<void> serve(SandboxSpec spec, const std::function<Result<void>()>& say_ready) {
    limit_memory();
    const WallTime begun = now();
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto socket = spec.socket();
    Sandbox sandbox(std::move(spec),
                    {.jail = {self.native(), "jail"}, .share_stage = {self.native(), "shares"}});
    const StopSignals stopper([&] { (void)sandbox.shutdown(kStopGrace); });
    HAKO_TRY(auto server, ShimServer::start(sandbox, socket));
    sandbox.trace().add("serve", begun, now());
    HAKO_CHECK(say_ready());
    sandbox.run();
    // A VM that failed at once: whoever asked for it may not have asked for the reason yet.
    const auto outcome = sandbox.wait_ready(std::chrono::milliseconds(0));
    if (outcome && !*outcome && outcome->error().kind() != ErrorKind::cancelled)
        server->wait_ready_answered(kReasonIsRead);
    return {};
}

}  // namespace

int shim_main(std::span<const std::string_view> arguments) {
    if (!arguments.empty() && arguments[0] == "jail") return vmm::jail_main();
    if (!arguments.empty() && arguments[0] == "shares") return vmm::share_stage_main();
    init_log("hako-shim", LogLevel::info);
    const auto done = run_shim(arguments, serve);
    if (!done) std::fprintf(stderr, "hako-shim: %s\n", done.error().message().c_str());
    return done ? 0 : 1;
}

}  // namespace hako::runtime
