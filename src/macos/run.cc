#include "macos/run.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/fd.h"
#include "base/log.h"
#include "macos/screen_socket.h"

namespace hako::macos {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAskAgain = milliseconds(1000);
constexpr auto kForQemu = std::chrono::seconds(10);  // of the budget
constexpr std::size_t kRecord = 128;                 // of signalfd: one at a time

class Run {
public:
    Run(const MacMachine& machine, int stop_fd, ProgressFile& progress, const RunOptions& options)
        : machine_(machine), stop_fd_(stop_fd), progress_(progress), options_(options) {}
    ~Run() {
        std::error_code error;
        for (const auto name : {kQmpSocket, kVncSocket})
            std::filesystem::remove(machine_.folder / name, error);
        if (options_.jail != nullptr) std::filesystem::remove(options_.jail->screen, error);
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    Result<ExitStatus> run() {
        HAKO_TRY(RunningQemu started, options_.jail != nullptr
                                          ? launch_jailed(machine_, *options_.jail, options_.errors)
                                          : launch(machine_, options_.errors));
        Process& qemu = started.process;
        const std::shared_ptr<vmm::QmpClient> qmp = std::move(started.qmp);
        std::optional<ScreenSocket> screen;
        if (options_.jail != nullptr && machine_.settings.display != Display::none) {
            HAKO_TRY(screen, ScreenSocket::open(options_.jail->screen, options_.jail->viewer, qmp));
        }
        if (options_.on_start) options_.on_start(qemu.pid(), qmp);
        progress_.enter(Stage::running, "macOS is running");
        for (;;) {
            HAKO_TRY(const bool asked, wait(qemu));
            HAKO_TRY(const auto ended, qemu.wait(milliseconds(0)));
            if (ended) return *ended;
            HAKO_CHECK(step(qemu, *qmp, asked));
        }
    }

private:
    // For QEMU's end, a wish to stop, or the next step; true when somebody asked for the end.
    Result<bool> wait(const Process& qemu) const {
        std::array<pollfd, 2> files{
            {{.fd = qemu.pidfd(), .events = POLLIN}, {.fd = stop_fd_, .events = POLLIN}}};
        const int timeout = asked_at_ ? static_cast<int>(kAskAgain.count()) : -1;
        if (::poll(files.data(), files.size(), timeout) < 0 && errno != EINTR)
            return fail_errno(errno, "cannot wait for QEMU");
        if ((files[1].revents & POLLIN) == 0) return false;
        std::array<std::byte, kRecord> record{};
        HAKO_TRY(const auto count, read_some(stop_fd_, record));
        return count > 0;
    }

    Result<void> step(const Process& qemu, vmm::QmpClient& qmp, bool asked) {
        if (asked && asked_at_) return qemu.signal(SIGKILL);
        if (asked) {
            asked_at_ = steady_clock::now();
            progress_.enter(Stage::stopping, "macOS is asked to shut down");
        }
        if (!asked_at_) return {};
        const auto left = *asked_at_ + machine_.settings.stop_budget - steady_clock::now();
        if (left <= milliseconds(0)) return qemu.signal(SIGKILL);
        if (left <= kForQemu) return qemu.signal(SIGTERM);
        // A guest that hangs is QEMU's to end.
        if (auto sent = qmp.system_powerdown(); !sent) log_warn("{}", sent.error().message());
        return {};
    }

    const MacMachine& machine_;
    int stop_fd_;
    ProgressFile& progress_;
    const RunOptions& options_;
    std::optional<steady_clock::time_point> asked_at_;
};

}  // namespace

Result<ExitStatus> run_machine(const MacMachine& machine, int stop_fd, ProgressFile& progress,
                               const RunOptions& options) {
    const auto ended = Run(machine, stop_fd, progress, options).run();
    if (!ended) return ended;
    if (ended->success()) progress.enter(Stage::stopped, "macOS has shut down");
    else progress.enter(Stage::failed, fmt::format("QEMU ended: {}", to_string(*ended)));
    return ended;
}

}  // namespace hako::macos
