#include "runtime/socket_relays.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/thread.h"
#include "guest/socket_relay.h"

namespace hako::runtime {
namespace {

namespace fs = std::filesystem;

constexpr auto kLook = std::chrono::milliseconds(10);
constexpr mode_t kPublishedMode = 0660;

// Whether a process that is gone has left it.
bool is_dead_socket(const fs::path& path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0 || !S_ISSOCK(state.st_mode)) return false;
    const auto connection = connect_unix(path);
    return !connection && connection.error().kind() == ErrorKind::unavailable;
}

// It belongs to whom its folder belongs to.
Result<Fd> listen_on_host(const fs::path& path) {
    std::error_code ignored;
    if (is_dead_socket(path)) fs::remove(path, ignored);
    if (fs::exists(fs::symlink_status(path, ignored)))
        return fail(ErrorKind::conflict,
                    "cannot publish a socket as {}: there is something already: remove it, or "
                    "choose another path",
                    path.native());
    HAKO_TRY(Fd listener, listen_unix(path, kPublishedMode));
    HAKO_CHECK(set_nonblocking(listener.get(), true));
    struct stat folder {};
    if (::stat(path.parent_path().c_str(), &folder) != 0 ||
        ::lchown(path.c_str(), folder.st_uid, folder.st_gid) != 0)
        log_warn("{} belongs to us, not to whom its folder belongs to: {}", path.native(),
                 std::generic_category().message(errno));
    return listener;
}

}  // namespace

bool ConnectionSlots::acquire(const std::stop_token& stop) {
    auto used = used_.lock();
    if (!freed_.wait(used.lock(), stop, [&] { return *used < kMaxConnections; })) return false;
    ++*used;
    return true;
}

void ConnectionSlots::release() {
    --*used_.lock();
    freed_.notify_one();
}

Result<std::vector<guest::Socket>> guest_sockets(const std::vector<RelayedSocket>& sockets) {
    std::vector<guest::Socket> list;
    for (const auto& socket : sockets) {
        struct stat state {};
        if (::stat(socket.host.c_str(), &state) != 0)
            return fail_errno(errno, "cannot mount the socket {}", socket.host.native());
        list.push_back({socket.guest, state.st_uid, state.st_gid, state.st_mode & 0777});
    }
    return list;
}

void remove_published_sockets(const fs::path& folder) {
    std::error_code ignored;
    for (const auto& link : fs::directory_iterator(folder, ignored))
        if (const auto path = fs::read_symlink(link.path(), ignored); is_dead_socket(path))
            fs::remove(path, ignored);
}

SocketRelays::SocketRelays(std::shared_ptr<guest::AgentClient> agent, ConnectionSlots& slots,
                           std::string container, fs::path links)
    : agent_(std::move(agent)),
      slots_(slots),
      container_(std::move(container)),
      links_(std::move(links)) {}

SocketRelays::~SocketRelays() {
    finish(std::chrono::milliseconds(0));
    listeners_.clear();  // they make connections
}

Result<void> SocketRelays::publish(const std::vector<RelayedSocket>& sockets) {
    for (const auto& socket : sockets) {
        HAKO_CHECK(make_folders(links_));
        Published published;
        published.socket = socket;
        published.link = links_ / fmt::format("{}-{}", container_, published_.size());
        std::error_code error;
        fs::create_symlink(socket.host, published.link, error);
        if (error)
            return fail_errno(error.value(), "cannot note the socket {}", socket.host.native());
        auto listener = listen_on_host(socket.host);
        if (!listener) {
            fs::remove(published.link, error);
            return fail(listener.error());
        }
        published.listener = *std::move(listener);
        published.is_there = true;
        published_.push_back(std::move(published));
    }
    return {};
}

void SocketRelays::start(const std::vector<RelayedSocket>& sockets) {
    for (const auto& socket : sockets) {
        ++accepting_;
        listeners_.push_back(start_thread("sockets", [this, socket](const std::stop_token& stop) {
            serve_host_socket(socket, stop);
            --accepting_;
        }));
    }
    for (const auto& published : published_)
        listeners_.push_back(start_thread(
            "sockets",
            [this, &published](const std::stop_token& stop) { serve_published(published, stop); }));
}

// Until the container has ended, and nobody is left who had connected before that.
void SocketRelays::serve_host_socket(const RelayedSocket& socket, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto call =
            std::make_shared<guest::SocketCall>(agent_->accept_socket(container_, socket.guest));
        const std::stop_callback cancel(stop, [&] { call->cancel(); });
        if (const auto opened = call->open(); !opened) {
            if (opened.error().kind() != ErrorKind::cancelled)
                log_debug("{}: {}", socket.guest, opened.error().message());
            return;
        }
        if (!slots_.acquire(stop)) return;
        begin(call, socket.host.native(), [path = socket.host](const std::stop_token& asked) {
            const auto connect = [&]() -> Result<Fd> {
                HAKO_TRY(const Fd found, open_file(path, O_PATH));
                return guest::connect_relayed(found, [&] { return asked.stop_requested(); });
            };
            return with_context(connect(), path.native());
        });
    }
}

void SocketRelays::serve_published(const Published& published, const std::stop_token& stop) {
    const int listener = published.listener.get();
    const std::stop_callback wake(stop, [&] { ::shutdown(listener, SHUT_RDWR); });
    while (true) {
        auto accepted = guest::accept_relayed(listener, -1, [&] { return stop.stop_requested(); });
        if (!accepted || !slots_.acquire(stop)) return;
        const auto call = std::make_shared<guest::SocketCall>(
            agent_->connect_socket(container_, published.socket.guest));
        const auto client = std::make_shared<Fd>(*std::move(accepted));
        begin(call, published.socket.guest, [call, client](const auto&) -> Result<Fd> {
            HAKO_CHECK(call->open());
            return std::move(*client);
        });
    }
}

// A slot is the connection's.
void SocketRelays::begin(std::shared_ptr<guest::SocketCall> call, const std::string& name,
                         Join join) {
    auto connections = connections_.lock();
    connections->remove_if([](const Connection& connection) { return connection.over.load(); });
    Connection& added = connections->emplace_back();
    added.call = call;
    added.thread = start_thread(
        "socket", [this, &added, call, name, join = std::move(join)](const std::stop_token& stop) {
            const std::stop_callback cancel(stop, [&] { call->cancel(); });
            auto socket = join(stop);
            say(name, socket);
            if (socket) call->relay(*std::move(socket));
            else call->cancel();
            slots_.release();
            added.over = true;
        });
}

// Once, not for each of a thousand attempts.
void SocketRelays::say(const std::string& name, const Result<Fd>& joined) {
    auto failing = failing_.lock();
    if (joined) {
        failing->erase(name);
    } else if (joined.error().kind() != ErrorKind::cancelled && failing->insert(name).second) {
        log_warn("a connection of a socket fails: {}", joined.error().message());
    }
}

bool SocketRelays::guest_has_ended() {
    auto connections = connections_.lock();
    return accepting_ == 0 && std::ranges::all_of(*connections, [](const Connection& connection) {
               return connection.over || connection.call->guest_ended();
           });
}

void SocketRelays::finish(std::chrono::milliseconds timeout) {
    {
        const std::lock_guard alone(withdrawing_);
        std::error_code ignored;
        for (auto& published : published_) {
            if (!std::exchange(published.is_there, false)) continue;
            fs::remove(published.socket.host, ignored);
            fs::remove(published.link, ignored);
        }
    }
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (!guest_has_ended() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(kLook);
    for (auto& listener : listeners_) listener.request_stop();
    for (auto& connection : *connections_.lock()) connection.thread.request_stop();
}

}  // namespace hako::runtime
