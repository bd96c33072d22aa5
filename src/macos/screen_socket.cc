#include "macos/screen_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

namespace hako::macos {
namespace {

constexpr auto kLook = std::chrono::milliseconds(200);  // how soon the end is noticed

Result<void> hand_over(vmm::QmpClient& qmp, const Fd& viewer) {
    HAKO_TRY([[maybe_unused]] const auto named,
             qmp.execute("getfd", {{"fdname", "viewer"}}, vmm::kQmpDeadline, viewer.get()));
    HAKO_TRY(
        [[maybe_unused]] const auto added,
        qmp.execute("add_client", {{"protocol", "vnc"}, {"fdname", "viewer"}, {"skipauth", true}}));
    return {};
}

}  // namespace

Result<ScreenSocket> ScreenSocket::open(const std::filesystem::path& path, uid_t owner,
                                        std::shared_ptr<vmm::QmpClient> qmp) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    HAKO_TRY(Fd opened, listen_unix(path, 0600));
    if (::chown(path.c_str(), owner, owner) != 0)
        return fail_errno(errno, "cannot give {} to the viewer", path.native());
    const auto listener = std::make_shared<Fd>(std::move(opened));
    return ScreenSocket(
        start_thread("screen", [listener, qmp = std::move(qmp)](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                const auto comes = wait_readable(listener->get(), kLook);
                if (!comes || !*comes) continue;
                const Fd viewer(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
                if (!viewer) continue;
                if (auto handed = hand_over(*qmp, viewer); !handed)
                    log_warn("no screen for a viewer: {}", handed.error().message());
            }
        }));
}

}  // namespace hako::macos
