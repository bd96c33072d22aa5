#include <deque>

#include "engine/context.h"
#include "engine/engine.h"
#include "engine/log_options.h"
#include "engine/output.h"

namespace hako::engine {
namespace {

class LogLines : public OutputStream {
public:
    LogLines(LogFollower follower, const Engine::Logs& options)
        : follower_(std::move(follower)), options_(options) {}

    Result<std::optional<OutputChunk>> next(std::stop_token stop) override {
        while (lines_.empty()) {
            if (ended_) return std::optional<OutputChunk>();
            HAKO_TRY(const auto record, follower_.next(stop));
            ended_ = !record || is_past(*record);
            for (auto& line : ended_ ? splitter_.flush() : splitter_.feed(*record))
                if (is_wanted(line)) lines_.push_back(std::move(line));
        }
        runtime::LineSplitter::Line line = std::move(lines_.front());
        lines_.pop_front();
        return OutputChunk{line.time,
                           line.stream == runtime::LogStream::err ? OutputChunk::Stream::err
                                                                  : OutputChunk::Stream::out,
                           std::move(line.text)};
    }

private:
    // Whether there is nothing more to follow.
    bool is_past(const runtime::LogRecord& record) const {
        return options_.follow && options_.until != WallTime{} && record.time > options_.until;
    }
    bool is_wanted(const runtime::LineSplitter::Line& line) const {
        if (line.stream == runtime::LogStream::err ? !options_.err : !options_.out) return false;
        if (options_.since != WallTime{} && line.time < options_.since) return false;
        return options_.until == WallTime{} || line.time <= options_.until;
    }

    LogFollower follower_;
    Engine::Logs options_;
    runtime::LineSplitter splitter_;
    std::deque<runtime::LineSplitter::Line> lines_;
    bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<OutputStream>> Engine::logs(std::string_view container,
                                                   const Logs& options) const {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    RunEnd end;
    {
        auto live = entry->live.lock();
        HAKO_CHECK(check_logs_readable(live->container.host_config));
        const bool follow = options.follow && live->running();
        const std::uint64_t ends = live->ends;
        end.over = [follow, ends, until = options.until](const Entry::Live& later) {
            return !follow || later.ends != ends || (until != WallTime{} && now() > until);
        };
        // What is not followed ends where the file does.
        end.not_before = follow ? live->container.state.started_at : WallTime::max();
    }
    HAKO_TRY(auto reader, runtime::LogReader::open(context_->layout.container_log(entry->id)));
    if (options.tail) HAKO_CHECK(reader.seek_last_lines(*options.tail));
    return std::make_unique<LogLines>(LogFollower(std::move(reader), entry, std::move(end)),
                                      options);
}

}  // namespace hako::engine
