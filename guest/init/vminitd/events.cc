#include "init/vminitd/events.h"

#include <chrono>

namespace hako::init {
namespace {

constexpr std::size_t kMaxBehind = 10'000;

}  // namespace

std::optional<agent::v1::Event> Events::Subscription::next() {
    auto queue = queue_.lock();
    arrived_.wait_for(queue.lock(), std::chrono::seconds(1),
                      [&] { return queue->lost || !queue->events.empty(); });
    if (queue->events.empty()) return std::nullopt;
    auto event = std::move(queue->events.front());
    queue->events.pop_front();
    return event;
}

bool Events::Subscription::lost() const { return queue_.lock()->lost; }

std::shared_ptr<Events::Subscription> Events::subscribe() {
    auto subscription = std::make_shared<Subscription>();
    listeners_.lock()->push_back(subscription);
    return subscription;
}

void Events::publish(const agent::v1::Event& event) {
    auto listeners = listeners_.lock();
    std::erase_if(*listeners, [](const auto& listener) { return listener.expired(); });
    for (const auto& listener : *listeners) {
        const auto subscription = listener.lock();
        if (!subscription) continue;
        auto queue = subscription->queue_.lock();
        if (queue->events.size() >= kMaxBehind) queue->lost = true;
        else queue->events.push_back(event);
        subscription->arrived_.notify_all();
    }
}

}  // namespace hako::init
