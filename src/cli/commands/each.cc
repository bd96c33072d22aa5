#include "cli/commands/each.h"

#include <algorithm>
#include <atomic>
#include <future>

#include "base/thread.h"

namespace hako::cli {
namespace {

constexpr std::size_t kAtOnce = 50;

// The exit status.
int print_outcome(const Session& session, const Result<std::string>& line) {
    if (!line) session.io.complain(line.error().message());
    else if (!line->empty()) session.io.print_line(*line);
    return line ? 0 : 1;
}

}  // namespace

Result<int> for_each_argument(Session& session, const std::vector<std::string>& names,
                              const ActOnArgument& act) {
    HAKO_TRY(const auto* api, session.api());
    int status = 0;
    for (const auto& name : names) status |= print_outcome(session, act(*api, name));
    return status;
}

Result<int> for_all_arguments(Session& session, const std::vector<std::string>& names,
                              const ActOnArgument& act) {
    HAKO_TRY(const auto* api, session.api());
    std::vector<std::packaged_task<Result<std::string>()>> tasks;
    for (const auto& name : names) tasks.emplace_back([&, api] { return act(*api, name); });
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < std::min(kAtOnce, tasks.size()); ++i)
        workers.push_back(start_thread("each", [&](const auto&) {
            for (std::size_t at = next++; at < tasks.size(); at = next++) tasks[at]();
        }));
    int status = 0;
    for (auto& task : tasks) status |= print_outcome(session, task.get_future().get());
    return status;
}

}  // namespace hako::cli
