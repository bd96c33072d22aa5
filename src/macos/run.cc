#include "macos/run.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "macos/room.h"
#include "macos/screen_socket.h"

namespace hako::macos {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAskAgain = milliseconds(1000);
constexpr auto kLookForRoom = milliseconds(3000);
constexpr std::string_view kRunning = "macOS is running";
constexpr std::string_view kAsked = "macOS is asked to shut down";
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

    Result<MachineEnd> run() {
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
        progress_.enter(Stage::running, std::string(kRunning));
        for (;;) {
            HAKO_TRY(const bool asked, wait(qemu));
            HAKO_TRY(const auto ended, qemu.wait(milliseconds(0)));
            if (ended) return end_of(*ended);
            HAKO_CHECK(step(qemu, *qmp, asked));
            // A QEMU that does not answer is looked at the next time.
            if (auto looked = look_for_room(*qmp); !looked)
                log_debug("{}", looked.error().message());
        }
    }

private:
    // For QEMU's end, a wish to stop, or the next step; true when somebody asked for the end.
    Result<bool> wait(const Process& qemu) const {
        std::array<pollfd, 2> files{
            {{.fd = qemu.pidfd(), .events = POLLIN}, {.fd = stop_fd_, .events = POLLIN}}};
        const auto pause = asked_at_ ? kAskAgain : kLookForRoom;
        if (::poll(files.data(), files.size(), static_cast<int>(pause.count())) < 0 &&
            errno != EINTR)
            return fail_errno(errno, "cannot wait for QEMU");
        if ((files[1].revents & POLLIN) == 0) return false;
        std::array<std::byte, kRecord> record{};
        HAKO_TRY(const auto count, read_some(stop_fd_, record));
        return count > 0;
    }

    Result<void> step(const Process& qemu, vmm::QmpClient& qmp, bool asked) {
        if (asked && asked_at_) {
            cut_off_ = kAskedTwice;
            return qemu.signal(SIGKILL);
        }
        if (asked) {
            asked_at_ = steady_clock::now();
            progress_.enter(Stage::stopping, std::string(kAsked));
        }
        if (!asked_at_) return {};
        const auto left = *asked_at_ + machine_.settings.stop_budget - steady_clock::now();
        if (left <= kForQemu) {
            if (cut_off_.empty()) cut_off_ = say_cut_off(steady_clock::now() - *asked_at_);
            return qemu.signal(left <= milliseconds(0) ? SIGKILL : SIGTERM);
        }
        // A guest that hangs is QEMU's to end.
        if (auto sent = qmp.system_powerdown(); !sent) log_warn("{}", sent.error().message());
        return {};
    }

    // QEMU that is told to end does so without a fault, which a power cut is for the guest.
    MachineEnd end_of(ExitStatus status) {
        if (!cut_off_.empty()) {
            progress_.enter(Stage::failed, cut_off_);
            return {.status = {.signal = SIGKILL}, .cut_off = true};
        }
        if (const auto why = options_.why_killed ? options_.why_killed() : ""; !why.empty()) {
            progress_.enter(Stage::failed, why);
            return {.status = {.signal = SIGKILL}};
        }
        if (status.success()) progress_.enter(Stage::stopped, "macOS has shut down");
        else progress_.enter(Stage::failed, fmt::format("QEMU ended: {}", to_string(status)));
        return {.status = status};
    }

    // What is full is said once; the guest goes on by itself.
    Result<void> look_for_room(vmm::QmpClient& qmp) {
        HAKO_TRY(const bool stands, wants_room(qmp));
        if (stands) {
            HAKO_TRY(const auto full, full_disk(qmp, machine_.disks));
            if (!full) return qmp.cont();
            if (std::exchange(waits_, true)) return {};
            log_warn("{}", say_full(*full));
            progress_.enter(Stage::waiting, say_full(*full));
        } else if (std::exchange(waits_, false)) {
            if (asked_at_) progress_.enter(Stage::stopping, std::string(kAsked));
            else progress_.enter(Stage::running, std::string(kRunning));
        }
        return {};
    }

    const MacMachine& machine_;
    int stop_fd_;
    ProgressFile& progress_;
    const RunOptions& options_;
    std::optional<steady_clock::time_point> asked_at_;
    std::string cut_off_;  // why, once it is
    bool waits_ = false;   // for room on a disk
};

}  // namespace

std::string say_cut_off(steady_clock::duration waited) {
    return fmt::format("macOS did not shut down within {} s and was cut off",
                       std::chrono::round<std::chrono::seconds>(waited).count());
}

Result<MachineEnd> run_machine(const MacMachine& machine, int stop_fd, ProgressFile& progress,
                               const RunOptions& options) {
    return Run(machine, stop_fd, progress, options).run();
}

}  // namespace hako::macos
