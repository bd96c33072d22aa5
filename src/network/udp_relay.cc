#include <array>

#include "network/relay.h"

namespace hako::network {

namespace {

constexpr std::size_t kDatagram = 64U << 10U;
// Of one port; further clients wait until another's session ends.
constexpr std::size_t kSessions = 1024;
constexpr std::chrono::seconds kSilence{90};
// Datagrams in one go, before others have their turn.
constexpr int kBatch = 64;

class UdpRelay : public PortRelay {
public:
    UdpRelay(EventLoop& loop, Fd socket) : loop_(loop), socket_(std::move(socket)) {
        watch_ = loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t) { from_clients(); });
        tidy();
    }
    void forward(const SocketAddress& target) override {
        if (target_ == target) return;
        target_ = target;
        sessions_.clear();
    }

private:
    // A client, and the address of ours that it speaks to.
    using Key = std::pair<SocketAddress, Address>;
    struct Session {
        Fd server;
        Watch watch;
        EventLoop::Clock::time_point used;
    };

    void from_clients() {
        for (int i = 0; i < kBatch; ++i) {
            const auto datagram = receive_datagram(socket_.get(), buffer_);
            if (!datagram) return;
            Session* session = session_of({datagram->from, datagram->to});
            if (session == nullptr) continue;
            session->used = EventLoop::Clock::now();
            [[maybe_unused]] const ssize_t sent =
                ::send(session->server.get(), buffer_.data(), datagram->size, MSG_NOSIGNAL);
        }
    }

    Session* session_of(const Key& key) {
        if (const auto found = sessions_.find(key); found != sessions_.end()) return &found->second;
        if (!target_ || sessions_.size() >= kSessions) return nullptr;
        auto server = connect_socket(Protocol::udp, *target_);
        if (!server) return nullptr;
        Session& session = sessions_[key];
        session.server = *std::move(server);
        session.watch = loop_.watch(session.server.get(), EPOLLIN, [this, key](std::uint32_t) {
            from_server(key, sessions_.at(key));
        });
        return &session;
    }

    void from_server(const Key& key, Session& session) {
        for (int i = 0; i < kBatch; ++i) {
            const ssize_t size = ::recv(session.server.get(), buffer_.data(), buffer_.size(), 0);
            if (size < 0) return;  // none, or that the container's port is closed
            session.used = EventLoop::Clock::now();
            send_datagram(socket_.get(), key.first, key.second,
                          std::span(buffer_).first(std::size_t(size)));
        }
    }

    void tidy() {
        const auto old = EventLoop::Clock::now() - kSilence;
        std::erase_if(sessions_, [&](const auto& entry) { return entry.second.used < old; });
        loop_.after(kSilence / 10, [alive = std::weak_ptr(alive_), this] {
            if (!alive.expired()) tidy();
        });
    }

    EventLoop& loop_;
    Fd socket_;
    std::optional<SocketAddress> target_;
    Watch watch_;
    std::map<Key, Session> sessions_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kDatagram);
    std::shared_ptr<bool> alive_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<PortRelay> make_udp_relay(EventLoop& loop, Fd socket) {
    return std::make_unique<UdpRelay>(loop, std::move(socket));
}

}  // namespace hako::network
