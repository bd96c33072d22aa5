// What happens in the guest, handed to everyone who listens.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "proto/agent.pb.h"

namespace hako::init {

// Thread-safe.
class Events {
public:
    // One listener's queue. It ends when the listener is 10,000 events behind.
    class Subscription {
    public:
        // Waits at most a second: nullopt is "none yet".
        std::optional<agent::v1::Event> next();
        bool lost() const;

    private:
        friend class Events;
        struct Queue {
            std::deque<agent::v1::Event> events;
            bool lost = false;
        };
        Guarded<Queue> queue_;
        std::condition_variable arrived_;
    };

    std::shared_ptr<Subscription> subscribe();
    void publish(const agent::v1::Event& event);

private:
    Guarded<std::list<std::weak_ptr<Subscription>>> listeners_;
};

}  // namespace hako::init
