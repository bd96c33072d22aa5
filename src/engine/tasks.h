// Threads that work in the background for as long as the engine lives: one for each container that
// runs, and one for each exec.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "base/guarded.h"

namespace hako::engine {

// Any thread may call anything, tasks included; stop_all() only the owner.
class Tasks {
public:
    using Body = std::function<void(std::stop_token)>;

    // After stop_all() nothing is started any more: false.
    bool launch(std::string name, Body body);
    // For what has to be done in any case: by the caller then, with a token that asks to stop.
    void launch_or_run(std::string name, const Body& body);
    // Asks every task to stop and waits for it.
    void stop_all();

private:
    struct Task {
        std::jthread thread;
        std::shared_ptr<std::atomic<bool>> done;
    };
    struct State {
        std::list<Task> tasks;
        bool closed = false;
    };
    Guarded<State> state_;
};

}  // namespace hako::engine
