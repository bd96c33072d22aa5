// Asks resolvers on behalf of clients. For the loop's thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>

#include "network/dns_message.h"
#include "network/event_loop.h"
#include "network/sockets.h"

namespace hako::network::dns {

class Forwarder {
public:
    // The reply's packet and summary, both for the query's id; nullptr when nobody answered.
    using Done = std::function<void(const Packet* packet, const Reply* reply)>;

    Forwarder(EventLoop& loop, std::uint16_t port, std::chrono::milliseconds timeout)
        : loop_(loop), port_(port), timeout_(timeout) {}
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;

    // Asks one resolver after the other, each with the time-out, by the protocol that the client
    // used. False when too many questions are open, of all or of this client.
    bool ask(Protocol protocol, const Address& client, const Query& query, Packet packet,
             std::vector<Address> resolvers, Done done);

private:
    struct Question {
        Protocol protocol;
        Address client;
        Query query;  // with the id that we use
        std::uint16_t client_id;
        Packet packet;
        std::vector<Address> resolvers;
        std::size_t attempt = 0;
        Done done;
        Fd socket = {};
        Watch watch = {};
        std::size_t sent = 0;  // TCP: of the packet with its length before
        Packet received = {};  // TCP
    };

    void try_next(std::uint64_t id);
    void step(std::uint64_t id, std::uint32_t events);
    // What one packet is; false when it is not the reply.
    bool take(std::uint64_t id, std::span<const std::byte> packet);
    void finish(std::uint64_t id, const Packet* packet, const Reply* reply);

    EventLoop& loop_;
    std::uint16_t port_;
    std::chrono::milliseconds timeout_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, Question> open_;
    std::map<Address, std::size_t> open_of_client_;
    std::random_device random_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>();
};

}  // namespace hako::network::dns
