#include "macos/run.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/fd.h"
#include "base/log.h"
#include "vmm/qemu/qmp.h"

namespace hako::macos {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kStart = std::chrono::seconds(30);
constexpr auto kLook = milliseconds(50);
constexpr auto kAskAgain = milliseconds(1000);
constexpr auto kForQemu = std::chrono::seconds(10);  // of the budget
constexpr std::size_t kRecord = 128;                 // of signalfd: one at a time

class Run {
public:
    Run(const MacMachine& machine, int stop_fd, ProgressFile& progress)
        : machine_(machine), stop_fd_(stop_fd), progress_(progress) {}
    ~Run() {
        std::error_code error;
        for (const auto name : {kQmpSocket, kVncSocket})
            std::filesystem::remove(machine_.folder / name, error);
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    Result<ExitStatus> run() {
        auto command = qemu_command(machine_);
        command.new_session = true;  // Ctrl+C in a terminal is for us
        HAKO_TRY(Process qemu,
                 spawn(command, {{.source = STDERR_FILENO, .target = STDERR_FILENO}}));
        HAKO_TRY(const auto qmp, connect(qemu));
        progress_.enter(Stage::running, "macOS is running");
        for (;;) {
            HAKO_TRY(const bool asked, wait(qemu));
            HAKO_TRY(const auto ended, qemu.wait(milliseconds(0)));
            if (ended) return *ended;
            HAKO_CHECK(step(qemu, *qmp, asked));
        }
    }

private:
    Result<std::unique_ptr<vmm::QmpClient>> connect(Process& qemu) {
        const auto end = steady_clock::now() + kStart;
        for (;;) {
            // QEMU may listen and end all the same, over the next of its arguments.
            if (auto socket = connect_unix(machine_.folder / kQmpSocket))
                if (auto client = vmm::QmpClient::connect(*std::move(socket), kStart))
                    return client;
            HAKO_TRY(const auto ended, qemu.wait(kLook));
            if (ended)
                return fail(ErrorKind::unavailable,
                            "QEMU ended at its start ({}); its words are above", to_string(*ended));
            if (steady_clock::now() > end) return fail(ErrorKind::deadline, "QEMU does not answer");
        }
    }

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
    std::optional<steady_clock::time_point> asked_at_;
};

}  // namespace

Result<ExitStatus> run_machine(const MacMachine& machine, int stop_fd, ProgressFile& progress) {
    const auto ended = Run(machine, stop_fd, progress).run();
    if (!ended) return ended;
    if (ended->success()) progress.enter(Stage::stopped, "macOS has shut down");
    else progress.enter(Stage::failed, fmt::format("QEMU ended: {}", to_string(*ended)));
    return ended;
}

}  // namespace hako::macos
