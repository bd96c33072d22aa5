// What hako-macos runs: the machine of one container, from its start to its end. There is no guest
// agent: the container's process is the machine itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/result.h"
#include "macos/machine_request.h"
#include "macos/prepare.h"
#include "macos/progress.h"
#include "macshim/mac_execs.h"
#include "macshim/mac_log.h"
#include "macshim/mac_viewer.h"
#include "runtime/exit_record.h"
#include "runtime/sandbox_spec.h"
#include "vmm/qemu/qmp.h"

namespace hako::macshim {

// run() belongs to one thread; any thread may call the rest.
class MacSandbox {
public:
    static Result<std::unique_ptr<MacSandbox>> create(runtime::SandboxSpec spec,
                                                      macos::MachineRequest request,
                                                      const Installation& installation);
    MacSandbox(const MacSandbox&) = delete;
    MacSandbox& operator=(const MacSandbox&) = delete;

    // Waits for start(), makes the machine and runs it. Returns when it has ended and its exit is
    // recorded, or when it is not wanted any more.
    void run();

    // ErrorKind::conflict when it was started before.
    Result<WallTime> start();
    // SIGKILL ends the machine; any other asks the guest to shut down, a second SIGINT ends it.
    Result<void> signal(int number);
    // The machine's CPUs. ErrorKind::conflict while there are none.
    Result<void> pause();
    Result<void> resume();
    MacExecs& execs() { return execs_; }
    // Nullopt after the time-out.
    std::optional<runtime::ExitRecord> wait(std::chrono::milliseconds timeout);
    // Asks for the end, and kills after the grace time. Returns when QEMU is gone.
    Result<void> shutdown(std::chrono::milliseconds grace);

    struct Snapshot {
        pid_t pid = 0;  // of QEMU, or ours before there is one
        bool paused = false;
        std::optional<WallTime> started;
        std::optional<runtime::ExitRecord> exit;
    };
    Snapshot snapshot() const;
    const runtime::SandboxSpec& spec() const { return spec_; }

private:
    struct Restore {
        std::string snapshot;
        bool with_memory = false;
    };
    struct State {
        std::optional<WallTime> started;
        std::optional<int> asked;  // the signal that asked for the end
        std::chrono::steady_clock::time_point asked_at{};
        bool killed = false;
        std::string why_killed;  // for people
        bool over = false;       // run() is done, or is not to begin
        bool paused = false;
        std::filesystem::path folder;     // once it is known
        std::vector<std::string> viewer;  // its addresses
        std::optional<ProcessIdentity> qemu;
        std::shared_ptr<vmm::QmpClient> qmp;
        std::optional<runtime::ExitRecord> exit;
        std::optional<Restore> restore;
        std::optional<Result<void>> restored;
    };

    MacSandbox(runtime::SandboxSpec spec, macos::MachineRequest request,
               const Installation& installation, std::unique_ptr<MacLog> log, FdPair stop);

    Result<macos::StorageLocks> lock_folders() const;
    Result<ExitStatus> live();
    Result<ExitStatus> live_in(const macos::ParsedSettings& parsed,
                               const std::filesystem::path& folder, macos::ProgressFile& progress);
    Result<ExitStatus> make_and_run(const macos::ParsedSettings& parsed,
                                    const macos::PrepareRequest& wanted,
                                    macos::ProgressFile& progress);
    CommandAnswer run_command(const std::vector<std::string>& words);
    // While it is stopped.
    Result<CommandAnswer> work_on_disks(const std::vector<std::string>& words) const;
    Result<void> restore(const std::string& snapshot, bool with_memory);
    // Whether somebody wanted a restore: then it is done, and the machine is to run again.
    Result<bool> restore_if_wanted(const std::filesystem::path& folder);
    Result<Json> status() const;
    Result<std::filesystem::path> fetch_recovery(const macos::MacSettings& settings,
                                                 macos::ProgressFile& progress);
    // What its viewer, if it has one, sees of it.
    std::filesystem::path shown() const { return spec_.folder / "viewer"; }
    std::filesystem::path screen() const {
        return (viewer_ ? shown() : spec_.folder) / macos::kVncSocket;
    }
    Result<void> start_viewer(bool has_sound);
    void began(pid_t qemu, std::shared_ptr<vmm::QmpClient> qmp);
    // What people are told of one that the signal kills.
    static std::string why_killed(const State& state, int number);
    // Of a machine that was asked to end before it ran: says while what.
    std::optional<ExitStatus> ended_early(macos::ProgressFile& progress,
                                          std::string_view doing) const;
    void finish(const Result<ExitStatus>& ended);
    Result<std::shared_ptr<vmm::QmpClient>> qmp() const;

    const runtime::SandboxSpec spec_;
    const macos::MachineRequest request_;
    const Installation installation_;
    const std::unique_ptr<MacLog> log_;
    const FdPair stop_;  // a byte asks the machine to end
    std::stop_source giving_up_;
    std::unique_ptr<MacViewer> viewer_;  // of the thread that run()s
    Guarded<State> state_;
    mutable std::condition_variable changed_;
    MacExecs execs_;  // last: they use the rest
};

}  // namespace hako::macshim
