#include "engine/events.h"

#include <algorithm>

namespace hako::engine {

class EventLog::Listener : public EventStream {
public:
    Listener(EventLog& log, std::uint64_t next, WallTime until)
        : log_(log), next_(next), until_(until) {}

    Result<std::optional<Event>> next(std::stop_token stop) override {
        auto state = log_.state_.lock();
        const auto has_next = [&] { return next_ < state->first + state->events.size(); };
        if (until_ == WallTime{}) log_.published_.wait(state.lock(), stop, has_next);
        else log_.published_.wait_until(state.lock(), stop, until_, has_next);
        if (stop.stop_requested()) return fail(ErrorKind::cancelled, "the listener has left");
        if (!has_next()) return std::optional<Event>();
        next_ = std::max(next_, state->first);
        const Event& event = state->events[next_ - state->first];
        if (until_ != WallTime{} && event.time > until_) return std::optional<Event>();
        ++next_;
        return std::optional(event);
    }

private:
    EventLog& log_;
    std::uint64_t next_;
    WallTime until_;
};

void EventLog::publish(Event event) {
    auto state = state_.lock();
    event.time = now();
    state->events.push_back(std::move(event));
    if (state->events.size() > kKept) {
        state->events.pop_front();
        ++state->first;
    }
    published_.notify_all();
}

std::unique_ptr<EventStream> EventLog::listen(WallTime since, WallTime until) {
    auto state = state_.lock();
    std::uint64_t next = state->first + state->events.size();
    if (since != WallTime{}) {
        const auto begin = std::ranges::find_if(
            state->events, [&](const Event& event) { return event.time >= since; });
        next = state->first + static_cast<std::uint64_t>(begin - state->events.begin());
    }
    return std::make_unique<Listener>(*this, next, until);
}

}  // namespace hako::engine
