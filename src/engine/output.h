// Follows the log file of a process for a client, up to the end of its run.
#pragma once

#include <functional>
#include <memory>

#include "engine/registry.h"
#include "engine/streams.h"
#include "runtime/log_file.h"

namespace hako::engine {

// Where a stream ends.
struct RunEnd {
    // Whether the run is over, as the engine knows it. By then all its output is in the log.
    std::function<bool(const Entry::Live&)> over;
    // END records from before this time belong to earlier runs. Those of a clock that was set back
    // meanwhile may look like it, or like this run's.
    WallTime not_before{};
};

// Records up to the run's END, and after it nothing, once the engine knows of the end as well: a
// client that asks for the exit code next shall get it.
class LogFollower {
public:
    LogFollower(runtime::LogReader reader, EntryPtr entry, RunEnd end)
        : reader_(std::move(reader)), entry_(std::move(entry)), end_(std::move(end)) {}

    // Nullopt at the end. END records are handed out as well.
    Result<std::optional<runtime::LogRecord>> next(std::stop_token stop);

private:
    bool is_over() const;
    void wait_until_over(const std::stop_token& stop) const;
    Result<void> look_behind(bool over, const std::stop_token& stop);

    runtime::LogReader reader_;
    EntryPtr entry_;
    RunEnd end_;
    std::optional<runtime::LogRecord> ahead_;  // read already
    bool ended_ = false;
};

// As the bytes came, for attached clients.
std::unique_ptr<OutputStream> follow_output(LogFollower follower);

}  // namespace hako::engine
