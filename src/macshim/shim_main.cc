#include "macshim/shim_main.h"

#include <cstdio>

#include "base/log.h"
#include "base/paths.h"
#include "macos/machine_request.h"
#include "macshim/mac_sandbox.h"
#include "macshim/mac_service.h"
#include "runtime/shim_program.h"

namespace hako::macshim {
namespace {

constexpr auto kStopGrace = std::chrono::seconds(10);
constexpr auto kEndIsTold = std::chrono::seconds(5);

Result<void> serve(runtime::SandboxSpec spec, const std::function<Result<void>()>& say_ready) {
    HAKO_TRY(auto request, macos::machine_request_of(spec.container.oci_spec));
    HAKO_TRY(const auto installation, Installation::find());
    const auto socket = spec.socket();
    HAKO_TRY(const auto sandbox,
             MacSandbox::create(std::move(spec), std::move(request), installation));
    const runtime::StopSignals stopper([&] { (void)sandbox->shutdown(kStopGrace); });
    HAKO_TRY(auto server, MacServer::start(*sandbox, socket));
    HAKO_CHECK(say_ready());
    sandbox->run();
    // One that failed at once: hakod may not have asked yet.
    if (sandbox->snapshot().exit) server->wait_end_told(kEndIsTold);
    return {};
}

}  // namespace

int shim_main(std::span<const std::string_view> arguments) {
    init_log("hako-macos", LogLevel::info);
    const auto done = runtime::run_shim(arguments, serve);
    if (!done) std::fprintf(stderr, "hako-macos: %s\n", done.error().message().c_str());
    return done ? 0 : 1;
}

}  // namespace hako::macshim
