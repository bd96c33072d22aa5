#include "engine/output.h"

#include <utility>

namespace hako::engine {
namespace {

// A run that left no END record (its start failed early) is noticed after so long.
constexpr std::chrono::milliseconds kLookAgain{250};
// Between a run's END record and the engine's note of it.
constexpr std::chrono::seconds kNoteDeadline{5};

class Output : public OutputStream {
public:
    explicit Output(LogFollower follower) : follower_(std::move(follower)) {}

    Result<std::optional<OutputChunk>> next(std::stop_token stop) override {
        while (true) {
            HAKO_TRY(auto record, follower_.next(stop));
            if (!record) return std::optional<OutputChunk>();
            if (record->end) continue;
            return OutputChunk{record->time,
                               record->stream == runtime::LogStream::err ? OutputChunk::Stream::err
                                                                         : OutputChunk::Stream::out,
                               std::move(record->data)};
        }
    }

private:
    LogFollower follower_;
};

}  // namespace

bool LogFollower::is_over() const {
    auto live = entry_->live.lock();
    return live->removed || end_.over(*live);
}

void LogFollower::wait_until_over(const std::stop_token& stop) const {
    auto live = entry_->live.lock();
    entry_->changed.wait_for(live.lock(), stop, kNoteDeadline,
                             [&] { return live->removed || end_.over(*live); });
}

// Behind an END that may be this run's: while the run is not over, nothing follows its END.
Result<void> LogFollower::look_behind(bool over, const std::stop_token& stop) {
    if (!over) {
        HAKO_TRY(ahead_, reader_.next());
        if (ahead_) return {};
        wait_until_over(stop);
    }
    ended_ = is_over();
    return {};
}

Result<std::optional<runtime::LogRecord>> LogFollower::next(std::stop_token stop) {
    while (!ended_) {
        if (stop.stop_requested()) return fail(ErrorKind::cancelled, "the client has left");
        // Asked before the file is read: what is not there then will not come.
        const bool over = is_over();
        std::optional<runtime::LogRecord> record = std::exchange(ahead_, std::nullopt);
        if (!record) {
            HAKO_TRY(record, reader_.next());
        }
        if (record) {
            if (record->end && record->time >= end_.not_before) HAKO_CHECK(look_behind(over, stop));
            return record;
        }
        if (over) {
            ended_ = true;
        } else if (auto waited = reader_.wait(stop, kLookAgain); !waited) {
            if (waited.error().kind() != ErrorKind::not_found) return fail(waited.error());
            // Removed with the last traces of its run, which the engine is about to note.
            wait_until_over(stop);
        }
    }
    return std::optional<runtime::LogRecord>();
}

std::unique_ptr<OutputStream> follow_output(LogFollower follower) {
    return std::make_unique<Output>(std::move(follower));
}

}  // namespace hako::engine
