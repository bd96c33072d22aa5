#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "network/relay.h"

namespace hako::network {

namespace {

constexpr std::size_t kBuffer = 64U << 10U;
// Of one port; more of them wait in the backlog.
constexpr std::size_t kConnections = 4096;
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::seconds kConnectTimeout{30};

// Bytes on their way in one direction.
class Direction {
public:
    // Moves what can be moved; false when the connection is broken.
    bool move(int from, int to) {
        for (;;) {
            if (begin_ < end_) {
                const ssize_t sent =
                    ::send(to, buffer_.get() + begin_, end_ - begin_, MSG_NOSIGNAL);
                if (sent < 0) return errno == EAGAIN || errno == EINTR;
                begin_ += std::size_t(sent);
                continue;
            }
            if (ended_) {
                if (!shut_) ::shutdown(to, SHUT_WR);
                shut_ = true;
                return true;
            }
            const ssize_t got = ::recv(from, buffer_.get(), kBuffer, 0);
            if (got < 0) return errno == EAGAIN || errno == EINTR;
            begin_ = 0;
            end_ = std::size_t(got);
            ended_ = got == 0;
        }
    }
    bool wants_to_read() const { return begin_ == end_ && !ended_; }
    bool wants_to_write() const { return begin_ < end_; }
    bool done() const { return shut_; }

private:
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique<std::byte[]>(kBuffer);
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool ended_ = false;  // the source's end was read
    bool shut_ = false;   // and passed on
};

class Connection {
public:
    Connection(EventLoop& loop, Fd client, Fd server, std::function<void()> ended)
        : client_(std::move(client)), server_(std::move(server)), ended_(std::move(ended)) {
        client_watch_ = loop.watch(client_.get(), 0, [this](std::uint32_t) { step(); });
        server_watch_ = loop.watch(server_.get(), EPOLLOUT, [this](std::uint32_t) { step(); });
    }
    bool connecting() const { return connecting_; }
    // The client learns of it: reset, not an end like any other.
    void abort() {
        const linger now{1, 0};
        for (const Fd* fd : {&client_, &server_})
            ::setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        ended_();
    }

    // Nothing more happens to it: it may still be on the stack.
    void stop() {
        client_watch_.reset();
        server_watch_.reset();
    }

private:
    void step() {
        if (connecting_) {
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(server_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) return abort();
            connecting_ = false;
        }
        if (!up_.move(client_.get(), server_.get()) || !down_.move(server_.get(), client_.get()))
            return abort();
        if (up_.done() && down_.done()) return ended_();
        client_watch_.want(events(up_.wants_to_read(), down_.wants_to_write()));
        server_watch_.want(events(down_.wants_to_read(), up_.wants_to_write()));
    }
    static std::uint32_t events(bool read, bool write) {
        return (read ? std::uint32_t{EPOLLIN} : 0U) | (write ? std::uint32_t{EPOLLOUT} : 0U);
    }

    Fd client_;
    Fd server_;
    std::function<void()> ended_;
    bool connecting_ = true;
    Direction up_;
    Direction down_;
    Watch client_watch_;
    Watch server_watch_;
};

class TcpRelay : public PortRelay {
public:
    TcpRelay(EventLoop& loop, Fd listener) : loop_(loop), listener_(std::move(listener)) {}

    void forward(const SocketAddress& target) override {
        if (target_ == target) return;
        target_ = target;
        connections_.clear();
        watch_.reset();
        watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
    }

private:
    void accept_one() {
        Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) pause();
            return;
        }
        const int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto server = connect_socket(Protocol::tcp, target_);
        if (!server) {
            const linger now{1, 0};
            ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
            return;
        }
        const std::uint64_t id = next_id_++;
        connections_.emplace(
            id, std::make_shared<Connection>(loop_, std::move(client), *std::move(server),
                                             [this, id] { end(id); }));
        loop_.after(kConnectTimeout, [alive = std::weak_ptr(alive_), this, id] {
            if (alive.expired()) return;
            const auto found = connections_.find(id);
            if (found != connections_.end() && found->second->connecting()) found->second->abort();
        });
        if (connections_.size() >= kConnections) watch_.want(0);
    }
    void pause() {
        watch_.want(0);
        loop_.after(kPause, [alive = std::weak_ptr(alive_), this] {
            if (!alive.expired()) watch_.want(EPOLLIN);
        });
    }
    void end(std::uint64_t id) {
        const auto found = connections_.find(id);
        if (found == connections_.end()) return;
        found->second->stop();
        loop_.after(std::chrono::milliseconds(0), [ended = std::move(found->second)] {});
        connections_.erase(found);
        watch_.want(EPOLLIN);
    }

    EventLoop& loop_;
    Fd listener_;
    SocketAddress target_;
    Watch watch_;
    std::uint64_t next_id_ = 0;
    std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<PortRelay> make_tcp_relay(EventLoop& loop, Fd listener) {
    return std::make_unique<TcpRelay>(loop, std::move(listener));
}

}  // namespace hako::network
