#include "engine/tasks.h"

#include "base/thread.h"

namespace hako::engine {

bool Tasks::launch(std::string name, Body body) {
    auto done = std::make_shared<std::atomic<bool>>(false);
    auto state = state_.lock();
    if (state->closed) return false;
    state->tasks.remove_if([](const Task& task) { return task.done->load(); });
    state->tasks.push_back({start_thread(std::move(name),
                                         [body = std::move(body), done](std::stop_token stop) {
                                             run_guarded("a task of the engine",
                                                         [&] { body(stop); });
                                             done->store(true);
                                         }),
                            done});
    return true;
}

void Tasks::launch_or_run(std::string name, const Body& body) {
    if (launch(std::move(name), body)) return;
    std::stop_source stopped;
    stopped.request_stop();
    body(stopped.get_token());
}

void Tasks::stop_all() {
    std::list<Task> last;
    {
        auto state = state_.lock();
        state->closed = true;
        last.swap(state->tasks);
    }
    for (Task& task : last) task.thread.request_stop();
    // Joined by their destructors, without the lock: a task may still call launch().
}

}  // namespace hako::engine
