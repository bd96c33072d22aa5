#include "network/dns_cache.h"

#include <algorithm>

namespace hako::network::dns {

namespace {

constexpr std::uint32_t kLongest = 3600;
// Larger ones are rare and would make the cache's size a matter of luck.
constexpr std::size_t kLargest = 4096;

}  // namespace

void Cache::put(const std::vector<Address>& resolvers, const Query& query, const Packet& reply,
                const Reply& summary, Clock::time_point now) {
    if (!summary.ttl || *summary.ttl == 0 || reply.size() > kLargest) return;
    const Key key = key_of(resolvers, query);
    if (const auto old = entries_.find(key); old != entries_.end()) {
        order_.erase(old->second.place);
        entries_.erase(old);
    }
    while (entries_.size() >= most_) {
        entries_.erase(order_.front());
        order_.pop_front();
    }
    const auto until = now + std::chrono::seconds(std::min(*summary.ttl, kLongest));
    entries_.emplace(key, Entry{reply, summary, now, until, order_.insert(order_.end(), key)});
}

std::optional<Packet> Cache::get(const std::vector<Address>& resolvers, const Query& query,
                                 Clock::time_point now) {
    const auto found = entries_.find(key_of(resolvers, query));
    if (found == entries_.end()) return std::nullopt;
    const Entry& entry = found->second;
    if (now >= entry.until) {
        order_.erase(entry.place);
        entries_.erase(found);
        return std::nullopt;
    }
    const auto age = std::chrono::floor<std::chrono::seconds>(now - entry.since);
    return renew(entry.reply, entry.summary, query, static_cast<std::uint32_t>(age.count()));
}

}  // namespace hako::network::dns
