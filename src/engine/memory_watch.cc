#include "engine/memory_watch.h"

#include <algorithm>

#include "base/log.h"
#include "base/thread.h"

namespace hako::engine {

bool MemoryWatch::rests(const std::string& vm) {
    const auto found = rests_.find(vm);
    if (found == rests_.end()) return false;
    if (--found->second > 0) return true;
    rests_.erase(found);
    return false;
}

void MemoryWatch::look() {
    if (!needs_.is_memory_short()) {
        rests_.clear();
        busy_.clear();
        return;
    }
    auto guests = needs_.guests();
    std::map<std::string, std::chrono::nanoseconds> now;
    for (Guest& guest : guests) {
        now[guest.vm] = guest.busy;
        guest.busy -= busy_[guest.vm];  // since the last look
    }
    busy_ = std::move(now);
    std::erase_if(rests_, [&](const auto& item) { return !busy_.contains(item.first); });
    std::ranges::stable_sort(guests, {}, &Guest::busy);
    for (const Guest& guest : guests) {
        if (rests(guest.vm)) continue;
        const auto given = guest.reclaim(kStep);
        if (!given) log_debug("VM {}: {}", guest.vm, given.error().message());
        if (!given || *given < kLeast) rests_[guest.vm] = kRest;
        else log_info("memory is short: VM {} gave up {} MiB", guest.vm, *given / kMiB);
        if (!needs_.is_memory_short()) return;
    }
}

void MemoryWatch::run(const std::stop_token& stop) {
    do look();
    while (sleep_for(needs_.look_again, stop));
}

}  // namespace hako::engine
