#include "images/workers.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/thread.h"

namespace hako::images {

Result<void> Workers::run(std::size_t threads, std::size_t count,
                          const std::function<Result<void>(std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    const auto take = [&](std::stop_token) {
        for (auto i = next++; i < count && !stop_.stop_requested(); i = next++)
            if (auto done = work(i); !done) give_up(std::move(done).error());
    };
    {
        std::vector<std::jthread> running;
        for (std::size_t i = 0; i < std::min(threads, count); ++i)
            running.push_back(start_thread(name_, take));
    }
    if (auto error = *first_error_.lock()) return fail(*std::move(error));
    if (stop_.stop_requested()) return fail(ErrorKind::cancelled, "{} was cancelled", name_);
    return {};
}

void Workers::give_up(Error error) {
    auto first = first_error_.lock();
    if (!*first) *first = std::move(error);
    stop_.request_stop();
}

}  // namespace hako::images
