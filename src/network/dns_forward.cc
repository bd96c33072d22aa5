#include "network/dns_forward.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hako::network::dns {

namespace {

constexpr std::size_t kOpen = 1024;
constexpr std::size_t kOpenOfClient = 256;
constexpr std::size_t kAttempts = 4;

}  // namespace

bool Forwarder::ask(Protocol protocol, const Address& client, const Query& query, Packet packet,
                    std::vector<Address> resolvers, Done done) {
    if (open_.size() >= kOpen || open_of_client_[client] >= kOpenOfClient) return false;
    ++open_of_client_[client];
    Question question{
        protocol, client,         query, query.id, std::move(packet), std::move(resolvers),
        0,        std::move(done)};
    // Each has a socket of its own, so with a random port and id a reply is hard to forge.
    question.query.id = static_cast<std::uint16_t>(random_());
    set_id(question.packet, question.query.id);
    if (protocol == Protocol::tcp) {
        const std::array<std::byte, 2> length{static_cast<std::byte>(question.packet.size() >> 8U),
                                              static_cast<std::byte>(question.packet.size())};
        question.packet.insert(question.packet.begin(), length.begin(), length.end());
    }
    const std::uint64_t id = next_id_++;
    open_.emplace(id, std::move(question));
    try_next(id);
    return true;
}

void Forwarder::try_next(std::uint64_t id) {
    Question& question = open_.at(id);
    // A single resolver is asked twice: datagrams get lost.
    const std::size_t attempts =
        question.resolvers.empty()
            ? 0
            : std::clamp<std::size_t>(question.resolvers.size(), 2, kAttempts);
    question.watch.reset();
    question.socket.reset();
    for (; question.attempt < attempts; ++question.attempt) {
        const Address& resolver = question.resolvers[question.attempt % question.resolvers.size()];
        auto socket = connect_socket(question.protocol, {resolver, port_});
        if (!socket) continue;
        question.socket = *std::move(socket);
        question.sent = 0;
        question.received.clear();
        const bool udp = question.protocol == Protocol::udp;
        if (udp && ::send(question.socket.get(), question.packet.data(), question.packet.size(),
                          MSG_NOSIGNAL) < 0)
            continue;
        question.watch = loop_.watch(question.socket.get(), udp ? EPOLLIN : EPOLLOUT,
                                     [this, id](std::uint32_t events) { step(id, events); });
        const std::size_t attempt = question.attempt++;
        loop_.after(timeout_, [alive = std::weak_ptr(alive_), this, id, attempt] {
            if (alive.expired()) return;
            const auto found = open_.find(id);
            if (found != open_.end() && found->second.attempt == attempt + 1) try_next(id);
        });
        return;
    }
    finish(id, nullptr, nullptr);
}

void Forwarder::step(std::uint64_t id, std::uint32_t events) {
    Question& question = open_.at(id);
    std::array<std::byte, 65536> buffer;
    const int socket = question.socket.get();
    if (question.protocol == Protocol::udp) {
        const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
        // Refused: nobody listens there.
        if (size < 0 && errno != EAGAIN) return try_next(id);
        if (size >= 0) take(id, std::span(buffer).first(std::size_t(size)));
        return;
    }
    if (question.sent < question.packet.size()) {
        const ssize_t sent = ::send(socket, question.packet.data() + question.sent,
                                    question.packet.size() - question.sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return try_next(id);
        question.sent += std::size_t(std::max<ssize_t>(sent, 0));
        if (question.sent == question.packet.size()) question.watch.want(EPOLLIN);
        return;
    }
    if (events == 0) return;
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return try_next(id);
    question.received.insert(question.received.end(), buffer.begin(), buffer.begin() + size);
    if (question.received.size() < 2) return;
    const std::size_t length = std::to_integer<std::size_t>(question.received[0]) << 8U |
                               std::to_integer<std::size_t>(question.received[1]);
    if (question.received.size() < length + 2) return;
    const Packet packet = std::move(question.received);
    if (!take(id, std::span(packet).subspan(2, length))) try_next(id);
}

bool Forwarder::take(std::uint64_t id, std::span<const std::byte> packet) {
    const Question& question = open_.at(id);
    const auto reply = read_reply(packet, question.query);
    if (!reply) return false;
    // Another resolver may know better; the last one's refusal is the answer.
    const bool failed = reply->code == Code::server_failure || reply->code == Code::refused;
    if (failed && question.attempt < question.resolvers.size()) {
        try_next(id);
        return true;
    }
    Packet answer(packet.begin(), packet.end());
    set_id(answer, question.client_id);
    finish(id, &answer, &*reply);
    return true;
}

void Forwarder::finish(std::uint64_t id, const Packet* packet, const Reply* reply) {
    auto node = open_.extract(id);
    Question& question = node.mapped();
    const auto count = open_of_client_.find(question.client);
    if (--count->second == 0) open_of_client_.erase(count);
    question.watch.reset();
    question.done(packet, reply);
}

}  // namespace hako::network::dns
