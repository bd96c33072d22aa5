#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <thread>

#include "base/guarded.h"
#include "base/log.h"
#include "base/thread.h"
#include "http/server_exchange.h"

namespace hako::http {
namespace {

// Serves the requests of one connection, one after another, in the thread that runs it.
class Connection {
public:
    Connection(Fd socket, const ServerOptions& options, DisconnectWatcher& watcher,
               const Handler& handler)
        : socket_(std::move(socket)),
          context_{Wire(socket_.get()), options, watcher, std::stop_source()},
          handler_(handler) {}

    void run() {
        while (serve_one()) {
        }
        context_.wire.linger();
    }

    // From another thread: the handler shall end, no other request is taken.
    void ask_to_end() {
        context_.stopping.request_stop();
        if (!busy_) cut();
    }
    void cut() { ::shutdown(socket_.get(), SHUT_RDWR); }

private:
    bool serve_one();
    Result<bool> read_request(MessageReader<true>& reader);
    Result<void> handle(MessageReader<true>& reader, ServerExchange& exchange, Fields fields);
    void refuse(const Error& error);

    Fd socket_;
    ConnectionContext context_;
    const Handler& handler_;
    std::atomic<bool> busy_ = false;
};

// False when the client closed the connection or let it lie.
Result<bool> Connection::read_request(MessageReader<true>& reader) {
    if (context_.stopping.stop_requested()) return false;
    if (context_.pending.empty()) {
        const auto readable = wait_readable(socket_.get(), context_.options.idle_timeout);
        if (!readable || !*readable || context_.stopping.stop_requested()) return false;
    }
    busy_ = true;
    if (auto header = reader.read_header(deadline_in(context_.options.header_timeout)); !header) {
        if (header.error().kind() == ErrorKind::cancelled) return false;
        return fail(std::move(header).error());
    }
    const auto& message = reader.message();
    // Anything but plain chunking is not understood, and guessing where such a body ends is how
    // requests are smuggled (RFC 9112 6.3).
    for (const auto& field : message)
        if (field.name() == boost::beast::http::field::transfer_encoding &&
            (!equal_ignoring_case({field.value().data(), field.value().size()}, "chunked") ||
             message.version() < 11))
            return fail(ErrorKind::invalid, "the Transfer-Encoding is not supported");
    return true;
}

Result<void> Connection::handle(MessageReader<true>& reader, ServerExchange& exchange,
                                Fields fields) {
    const auto text = [](auto view) { return std::string(view.data(), view.size()); };
    Request request;
    request.method = text(reader.message().method_string());
    request.target = text(reader.message().target());
    const auto question = std::min(request.target.find('?'), request.target.size());
    HAKO_TRY(request.path, percent_decode(std::string_view(request.target).substr(0, question)));
    if (!request.path.starts_with('/'))
        return fail(ErrorKind::invalid, "the request's target is not a path");
    if (question < request.target.size()) {
        HAKO_TRY(request.query,
                 Query::parse(std::string_view(request.target).substr(question + 1)));
    }
    request.headers = std::move(fields);
    request.body = &exchange.body();
    request.gone = exchange.gone();
    Result<void> result = fail(ErrorKind::internal, "the request failed inside the server");
    run_guarded("http handler", [&] { result = handler_(request, exchange); });
    return result;
}

void Connection::refuse(const Error& error) {
    std::string_view status = "400 Bad Request";
    if (error.kind() == ErrorKind::too_large) status = "431 Request Header Fields Too Large";
    if (error.kind() == ErrorKind::deadline) status = "408 Request Timeout";
    const std::string body = dump_json({{"message", error.message()}}) + "\n";
    (void)context_.wire.send(
        fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
                    "Connection: close\r\n\r\n",
                    status, body.size()),
        body);
}

bool Connection::serve_one() {
    MessageReader<true> reader(context_.wire, context_.pending, context_.options.max_header_bytes);
    const auto read = read_request(reader);
    if (!read) refuse(read.error());
    if (!read || !*read) return false;
    Fields fields = reader.fields();
    ServerExchange exchange(context_, reader, fields);
    const auto handled = handle(reader, exchange, std::move(fields));
    const bool again = exchange.finish(handled);
    busy_ = false;
    return again;
}

void answer_full(Fd socket) {
    constexpr std::string_view kBody =
        R"({"message":"too many connections to the daemon; try again when some have ended"})";
    const Wire wire(socket.get());
    (void)wire.send(
        fmt::format("HTTP/1.1 503 Service Unavailable\r\nContent-Type: "
                    "application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    kBody.size()),
        kBody);
}

class ThreadedServer : public Server {
public:
    ThreadedServer(std::vector<Fd> listeners, Handler handler, ServerOptions options,
                   std::unique_ptr<DisconnectWatcher> watcher, Fd wake)
        : listeners_(std::move(listeners)),
          handler_(std::move(handler)),
          options_(options),
          watcher_(std::move(watcher)),
          wake_(std::move(wake)) {
        acceptor_ =
            start_thread("http-accept", [this](const std::stop_token& stop) { accept(stop); });
    }
    ~ThreadedServer() override { ThreadedServer::stop(); }

    void stop() override;
    std::size_t connections() const override { return table_.lock()->open.size(); }

private:
    struct Entry {
        std::unique_ptr<Connection> connection;
        std::jthread thread;
    };
    struct Table {
        std::map<std::uint64_t, Entry> open;
        std::vector<Entry> ended;  // their threads are to be joined
        std::uint64_t next = 0;
    };

    void accept(const std::stop_token& stop);
    void accept_one(int listener);
    void serve(std::uint64_t key, Connection& connection);
    void join_ended() { const auto ended = std::exchange(table_.lock()->ended, {}); }

    std::vector<Fd> listeners_;
    const Handler handler_;
    const ServerOptions options_;
    std::unique_ptr<DisconnectWatcher> watcher_;
    Fd wake_;
    Guarded<Table> table_;
    std::condition_variable all_ended_;
    std::jthread acceptor_;
};

void ThreadedServer::accept(const std::stop_token& stop) {
    std::vector<pollfd> waiting;
    for (const Fd& listener : listeners_) waiting.push_back({listener.get(), POLLIN, 0});
    waiting.push_back({wake_.get(), POLLIN, 0});
    while (!stop.stop_requested()) {
        if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
        for (std::size_t i = 0; i < listeners_.size(); ++i)
            if (waiting[i].revents != 0) accept_one(waiting[i].fd);
        eventfd_t ignored = 0;
        if (waiting.back().revents != 0) ::eventfd_read(wake_.get(), &ignored);
        join_ended();
    }
}

void ThreadedServer::accept_one(int listener) {
    Fd socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
        // Out of descriptors or memory: those that end give some back.
        log_warn("cannot accept a connection: {}", errno_text(errno));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return;
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // TCP only
    auto table = table_.lock();
    if (table->open.size() >= options_.max_connections) return answer_full(std::move(socket));
    const std::uint64_t key = table->next++;
    Entry entry{std::make_unique<Connection>(std::move(socket), options_, *watcher_, handler_), {}};
    Connection& connection = *entry.connection;
    try {
        entry.thread = start_thread(
            "http-connection",
            [this, key, &connection](const std::stop_token&) { serve(key, connection); });
    } catch (const std::system_error& error) {
        log_warn("cannot start a thread for a connection: {}", error.what());
        return;
    }
    table->open.emplace(key, std::move(entry));
}

void ThreadedServer::serve(std::uint64_t key, Connection& connection) {
    run_guarded("http connection", [&] { connection.run(); });
    auto table = table_.lock();
    const auto own = table->open.find(key);
    table->ended.push_back(std::move(own->second));
    table->open.erase(own);
    ::eventfd_write(wake_.get(), 1);
    if (table->open.empty()) all_ended_.notify_all();
}

void ThreadedServer::stop() {
    acceptor_.request_stop();
    ::eventfd_write(wake_.get(), 1);
    if (acceptor_.joinable()) acceptor_.join();
    listeners_.clear();
    {
        auto table = table_.lock();
        for (auto& [key, entry] : table->open) entry.connection->ask_to_end();
        const auto ended = [&] { return table->open.empty(); };
        if (!all_ended_.wait_for(table.lock(), options_.stop_grace, ended)) {
            for (auto& [key, entry] : table->open) entry.connection->cut();
            all_ended_.wait(table.lock(), ended);
        }
    }
    join_ended();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(std::vector<Fd> listeners, Handler handler,
                                              ServerOptions options) {
    HAKO_TRY(auto watcher, DisconnectWatcher::start());
    Fd wake(::eventfd(0, EFD_CLOEXEC));
    if (!wake) return fail_errno(errno, "cannot start the server");
    // A connection may be gone between poll and accept.
    for (const Fd& listener : listeners) HAKO_CHECK(set_nonblocking(listener.get(), true));
    return std::make_unique<ThreadedServer>(std::move(listeners), std::move(handler), options,
                                            std::move(watcher), std::move(wake));
}

}  // namespace hako::http
