#include "guest/socket_relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/thread.h"
#include "base/units.h"

namespace hako::guest {
namespace {

using agent::v1::SocketData;

constexpr std::size_t kChunk = 64 * kKiB;
constexpr int kAskMs = 500;
constexpr auto kRetry = std::chrono::milliseconds(20);

tl::unexpected<Error> given_up() {
    return fail(ErrorKind::cancelled, "nobody waits for the socket any more");
}

bool send_all(int socket, std::string_view data) {
    while (!data.empty()) {
        const auto sent = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

// For a socket that nothing can be sent to any more: with something left in it, its close would be
// a reset to the other end, or an end, by which of the two comes first.
void drain(int socket) {
    std::array<char, 4 * kKiB> lost{};
    while (::recv(socket, lost.data(), lost.size(), MSG_DONTWAIT) > 0) {
    }
}

// The only one that writes to the call. Who reads from it must never wait for that: the two ends
// would wait for each other.
class Sender {
public:
    Sender(int socket, const RelayCall& call)
        : socket_(socket), call_(call), bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    // Until both sides have ended, or the call is over.
    void run() {
        std::array<pollfd, 2> entries{{{bell_.get(), POLLIN, 0}, {socket_, POLLIN, 0}}};
        SocketData message;
        bool stop_sent = false, ended = false;
        while (true) {
            if (::poll(entries.data(), entries.size(), -1) < 0) continue;
            eventfd_t rings = 0;
            ::eventfd_read(bell_.get(), &rings);
            const State now = *state_.lock();
            if (now.over) return;
            message.Clear();
            if (now.stopped && !stop_sent) {
                stop_sent = true;
                message.set_stop(true);
            }
            if (!ended && entries[1].revents != 0) ended = !take(message);
            message.set_end(ended && entries[1].fd >= 0);
            if (ended) entries[1].fd = -1;
            if ((message.stop() || message.end() || !message.data().empty()) &&
                !call_.write(message))
                return;
            if (ended && now.other_ended) return call_.done();
        }
    }

    void stop() { change(&State::stopped); }
    void other_ended() { change(&State::other_ended); }
    void over() { change(&State::over); }

private:
    struct State {
        bool stopped = false;      // our socket takes no more
        bool other_ended = false;  // nothing more comes from the other end
        bool over = false;
    };
    void change(bool State::*what) {
        (*state_.lock()).*what = true;
        ::eventfd_write(bell_.get(), 1);
    }
    // False at the socket's end.
    bool take(SocketData& message) {
        auto& data = *message.mutable_data();
        data.resize(kChunk);
        const auto count = ::recv(socket_, data.data(), data.size(), MSG_DONTWAIT);
        data.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
    }

    const int socket_;
    const RelayCall& call_;
    const Fd bell_;
    Guarded<State> state_;
};

}  // namespace

Result<Fd> accept_relayed(int listener, int ended, const Cancelled& cancelled) {
    std::array<pollfd, 2> entries{{{listener, POLLIN, 0}, {ended, POLLIN, 0}}};
    while (!cancelled()) {
        if (::poll(entries.data(), entries.size(), kAskMs) <= 0) continue;
        Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (connection) return connection;
        if (errno == EAGAIN && entries[1].revents != 0) break;
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            return fail_errno(errno, "cannot accept a connection");
    }
    return given_up();
}

Result<Fd> connect_relayed(const Fd& socket, const Cancelled& cancelled) {
    Fd connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!connection) return fail_errno(errno, "cannot make a socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto name = fmt::format("/proc/self/fd/{}", socket.get());
    std::memcpy(address.sun_path, name.data(), name.size());
    while (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address),
                     sizeof address) != 0) {
        if (errno != EAGAIN && errno != EINTR) return fail_errno(errno, "cannot connect");
        if (cancelled()) return given_up();
        std::this_thread::sleep_for(kRetry);
    }
    HAKO_CHECK(set_nonblocking(connection.get(), false));
    return connection;
}

void relay_socket(int socket, const RelayCall& call) {
    Sender sender(socket, call);
    const auto thread = start_thread("socket", [&](const std::stop_token&) { sender.run(); });
    SocketData message;
    bool takes = true;
    while (call.read(message)) {
        if (takes && !send_all(socket, message.data())) {
            takes = false;
            sender.stop();
        }
        if (message.end()) {
            ::shutdown(socket, SHUT_WR);
            sender.other_ended();
        }
        if (message.stop()) ::shutdown(socket, SHUT_RD);
    }
    ::shutdown(socket, SHUT_RDWR);
    drain(socket);
    sender.over();
}

}  // namespace hako::guest
