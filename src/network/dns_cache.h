// Replies of resolvers, kept for as long as they say, at most an hour.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <tuple>

#include "network/dns_message.h"

namespace hako::network::dns {

class Cache {
public:
    using Clock = std::chrono::steady_clock;

    explicit Cache(std::size_t most = 4096) : most_(most) {}

    void put(const std::vector<Address>& resolvers, const Query& query, const Packet& reply,
             const Reply& summary, Clock::time_point now);
    // As a reply to this query.
    std::optional<Packet> get(const std::vector<Address>& resolvers, const Query& query,
                              Clock::time_point now);
    std::size_t size() const { return entries_.size(); }

private:
    using Key =
        std::tuple<std::vector<Address>, std::string, std::uint16_t, std::uint16_t, bool, bool>;
    struct Entry {
        Packet reply;
        Reply summary;
        Clock::time_point since;
        Clock::time_point until;
        std::list<Key>::iterator place;
    };
    static Key key_of(const std::vector<Address>& resolvers, const Query& query) {
        return {resolvers, query.name, query.type, query.klass, query.extended, query.dnssec};
    }

    std::size_t most_;
    std::map<Key, Entry> entries_;
    std::list<Key> order_;  // the oldest first
};

}  // namespace hako::network::dns
