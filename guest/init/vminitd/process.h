// A process of a container: prepared, started, ended; its streams and its exit status.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "base/process.h"
#include "base/units.h"
#include "init/vminitd/launcher.h"
#include "init/vminitd/streams.h"
#include "proto/agent.pb.h"

namespace hako::init {

struct ProcessEnd {
    int code = 0;  // 128 + signal when killed
    int signal = 0;
    bool oom_killed = false;
    WallTime at{};
};
agent::v1::ExitStatus to_message(const ProcessEnd& end);

// Thread-safe, except that one thread reads and one writes the streams.
class ContainerProcess {
public:
    // Called once, when the process has ended; tells whether the OOM killer was at work.
    using OnEnd = std::function<void(ProcessEnd&)>;
    struct Options {
        std::string id;
        bool terminal = false;
        bool input = false;
        OnEnd on_end;
    };

    // Runs vmexec until everything but the execve is done. launch: all but the streams.
    static Result<std::shared_ptr<ContainerProcess>> create(Launcher& launcher, Launch launch,
                                                            Options options);
    ~ContainerProcess();
    ContainerProcess(const ContainerProcess&) = delete;
    ContainerProcess& operator=(const ContainerProcess&) = delete;

    const std::string& id() const { return id_; }
    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }

    // The pid; exec_not_found or exec_failed when there is nothing to execute.
    Result<pid_t> start();
    Result<void> signal(int number) const;
    Result<void> resize(unsigned columns, unsigned rows);
    bool started() const { return state_.lock()->started; }
    bool ended() const { return state_.lock()->end.has_value(); }

    // For who made it, until finish_output().
    Streams& streams() { return streams_; }
    void finish_output();
    // Waits for the end and for the output to be taken. cancelled is asked now and then.
    Result<ProcessEnd> wait(const std::function<bool()>& cancelled);

private:
    struct State {
        bool output_done = false;  // all of it was taken, or nobody wants it
        bool started = false;
        std::optional<ProcessEnd> end;
    };

    ContainerProcess(Options options, Streams streams)
        : id_(std::move(options.id)),
          on_end_(std::move(options.on_end)),
          streams_(std::move(streams)) {}
    void on_exit(const ExitStatus& status);

    std::string id_;
    OnEnd on_end_;
    Streams streams_;
    pid_t pid_ = -1;
    Fd pidfd_;
    std::optional<Conversation> conversation_;  // until the start
    Guarded<State> state_;
    std::condition_variable changed_;
};

}  // namespace hako::init
