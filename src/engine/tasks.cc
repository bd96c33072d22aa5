#include "engine/tasks.h"

#include "base/thread.h"

namespace hako::engine {

void Tasks::launch(std::string name, Body body) {
    auto done = std::make_shared<std::atomic<bool>>(false);
    auto state = state_.lock();
    if (state->closed) return;
    state->tasks.remove_if([](const Task& task) { return task.done->load(); });
    state->tasks.push_back({start_thread(std::move(name),
                                         [body = std::move(body), done](std::stop_token stop) {
                                             run_guarded("a task of the engine",
                                                         [&] { body(stop); });
                                             done->store(true);
                                         }),
                            done});
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
