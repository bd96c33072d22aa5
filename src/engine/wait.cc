#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {
namespace {

class EntryWait : public ExitWait {
public:
    EntryWait(EntryPtr entry, WaitCondition condition)
        : entry_(std::move(entry)), condition_(condition) {
        auto live = entry_->live.lock();
        ends_ = live->ends;
        if (condition == WaitCondition::not_running && !live->running() &&
            !live->has_status(Status::restarting))
            ended_before_ = live->last_end;
    }

    Result<WaitResult> wait(std::stop_token stop) override {
        if (ended_before_) return *ended_before_;
        auto live = entry_->live.lock();
        const bool met = entry_->changed.wait(live.lock(), stop, [&] {
            if (live->removed) return true;
            return condition_ != WaitCondition::removed && live->ends != ends_;
        });
        if (!met) return fail(ErrorKind::cancelled, "the wait for {} was ended", entry_->id);
        return live->last_end;
    }

private:
    EntryPtr entry_;
    WaitCondition condition_;
    std::uint64_t ends_ = 0;  // at the beginning
    std::optional<WaitResult> ended_before_;
};

}  // namespace

Result<std::unique_ptr<ExitWait>> Engine::wait(std::string_view container,
                                               WaitCondition condition) {
    HAKO_TRY(const EntryPtr entry, context_->registry.find(container));
    return std::make_unique<EntryWait>(entry, condition);
}

}  // namespace hako::engine
