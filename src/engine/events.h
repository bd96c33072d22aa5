// What happens to containers and images, for whoever listens (GET /events of the Docker Engine
// API).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "base/units.h"
#include "engine/types.h"

namespace hako::engine {

struct Event {
    std::string type;      // "container", "image"
    std::string action;    // "start", "exec_create: /bin/sh", "health_status: healthy"
    std::string actor;     // the container's id, the image's id or name
    StringMap attributes;  // name, image, labels, and what belongs to the action
    WallTime time{};
};

// Events one after the other. One thread at a time.
class EventStream {
public:
    EventStream() = default;
    EventStream(const EventStream&) = delete;
    EventStream& operator=(const EventStream&) = delete;
    virtual ~EventStream() = default;
    // Blocks for the next event; nullopt is the end. ErrorKind::cancelled when stop is requested.
    virtual Result<std::optional<Event>> next(std::stop_token stop) = 0;
};

// Keeps the last events for those who ask late; a listener that is slower than kKept events misses
// the oldest. Any thread may call anything.
class EventLog {
public:
    static constexpr std::size_t kKept = 1024;

    // Sets the event's time.
    void publish(Event event);
    // Kept events from `since` on (unset: none), then those to come, up to `until` (unset: for
    // ever). The log must outlive the stream.
    std::unique_ptr<EventStream> listen(WallTime since, WallTime until);

private:
    class Listener;
    struct State {
        std::deque<Event> events;
        std::uint64_t first = 0;  // the number of events.front()
    };
    Guarded<State> state_;
    std::condition_variable_any published_;
};

}  // namespace hako::engine
