// One process in the guest, as the shim sees it: its output goes to a log, its input comes from
// whoever has it, its end is kept.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/guarded.h"
#include "guest/agent_client.h"
#include "runtime/exit_record.h"
#include "runtime/output_log.h"

namespace hako::runtime {

// Any thread may call anything.
class ContainerProcess {
public:
    // Says why the guest is gone, when it is.
    using ExplainLoss = std::function<std::string()>;
    // Called once, after the log's END record and before wait() returns.
    using OnExit = std::function<void(const ExitRecord&)>;

    struct Setup {
        guest::ProcessSpec spec;
        OutputLog::Setup log;
        bool read_once = false;  // the log has one reader; output that nobody reads is dropped
        ExplainLoss explain_loss;
        // Of one that has run, before anybody learns of its end.
        std::function<void()> before_exit;
        OnExit on_exit;
    };
    // Creates the log and prepares the process in the guest.
    static Result<std::unique_ptr<ContainerProcess>> create(guest::AgentClient& agent, Setup setup);
    ContainerProcess(const ContainerProcess&) = delete;
    ContainerProcess& operator=(const ContainerProcess&) = delete;
    ~ContainerProcess();

    struct Started {
        int pid = 0;  // in the guest
        WallTime at{};
    };
    // ErrorKind::conflict when it was started before.
    Result<Started> start();
    Result<void> write(std::span<const std::byte> data);
    Result<void> close_input();
    // Nullopt after the time-out.
    std::optional<ExitRecord> wait(std::chrono::milliseconds timeout) const;

    const guest::ProcessId& id() const { return setup_.spec.id; }
    const std::filesystem::path& log_path() const { return setup_.log.file; }
    std::optional<Started> started() const { return state_.lock()->started; }
    std::optional<ExitRecord> exit() const { return state_.lock()->exit; }

private:
    struct State {
        bool start_asked = false;
        std::optional<Started> started;
        std::optional<ExitRecord> exit;
    };
    ContainerProcess(guest::AgentClient& agent, Setup setup, OutputLog log, guest::Stdio stdio)
        : agent_(agent), setup_(std::move(setup)), log_(std::move(log)), stdio_(std::move(stdio)) {}

    void follow(const std::stop_token& stop);
    ExitRecord await_exit();
    ExitRecord lost() const;  // with its VM
    ExitRecord never_started(const Error& error) const;
    void finish(const ExitRecord& record);

    guest::AgentClient& agent_;
    Setup setup_;
    OutputLog log_;
    guest::Stdio stdio_;
    Guarded<State> state_;
    mutable std::condition_variable ended_;
    std::jthread follower_;
};

}  // namespace hako::runtime
