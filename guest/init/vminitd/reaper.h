// Reaps every child of PID 1: the processes we started, and the orphans of containers.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <thread>

#include "base/guarded.h"
#include "base/process.h"
#include "base/result.h"

namespace hako::init {

// Nobody else in this program may wait for children. Thread-safe.
class Reaper {
public:
    using OnExit = std::function<void(const ExitStatus&)>;

    Reaper();
    ~Reaper();
    Reaper(const Reaper&) = delete;
    Reaper& operator=(const Reaper&) = delete;

    // Runs start, which tells the pid of a new child, while nothing is reaped: however soon the
    // child ends, on_exit is called, once, on the reaper's thread. on_exit must not block.
    Result<pid_t> adopt(const std::function<Result<pid_t>()>& start, OnExit on_exit);

private:
    void run(const std::stop_token& stop);

    Guarded<std::map<pid_t, OnExit>> children_;
    std::condition_variable_any arrived_;
    std::jthread thread_;  // last: it uses the others
};

}  // namespace hako::init
