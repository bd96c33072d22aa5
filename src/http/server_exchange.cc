#include "http/server_exchange.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <boost/beast/http/status.hpp>

namespace hako::http {
namespace {

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

// The body of a response that is written in pieces.
class ServerExchange::Stream : public ResponseStream {
public:
    explicit Stream(ServerExchange& exchange) : exchange_(exchange) {}

    Result<void> write(std::span<const std::byte> data) override {
        if (data.empty() || exchange_.is_head()) return {};
        const bool chunked = exchange_.mode_ == Mode::chunked;
        const Wire& wire = exchange_.connection_.wire;
        auto sent = chunked ? wire.send(fmt::format("{:x}\r\n", data.size()), as_text(data), "\r\n")
                            : wire.send(as_text(data));
        if (!sent) exchange_.broken_ = true;
        return sent;
    }

private:
    ServerExchange& exchange_;
};

// The connection after a hijack.
class ServerExchange::Raw : public Hijacked {
public:
    Raw(ConnectionContext& connection, std::stop_token gone, Fd wake)
        : connection_(connection), gone_(std::move(gone)), wake_(std::move(wake)) {}

    Result<void> write(std::span<const std::byte> data) override {
        return connection_.wire.send(as_text(data));
    }

    Result<std::size_t> read(std::span<std::byte> buffer) override {
        if (std::string& pending = connection_.pending; !pending.empty()) {
            const std::size_t count = std::min(pending.size(), buffer.size());
            std::ranges::copy(as_bytes(pending).first(count), buffer.begin());
            pending.erase(0, count);
            return count;
        }
        std::array<pollfd, 2> waiting{pollfd{connection_.wire.fd(), POLLIN, 0},
                                      pollfd{wake_.get(), POLLIN, 0}};
        while (::poll(waiting.data(), waiting.size(), -1) < 0)
            if (errno != EINTR) return fail_errno(errno, "cannot wait for a connection");
        if (waiting[1].revents != 0) return std::size_t{0};
        return connection_.wire.receive(buffer);
    }

    std::stop_token gone() const override { return gone_; }
    void stop_reading() override { ::eventfd_write(wake_.get(), 1); }
    void cut() override { ::shutdown(connection_.wire.fd(), SHUT_RDWR); }

private:
    ConnectionContext& connection_;
    std::stop_token gone_;
    Fd wake_;
};

Result<std::size_t> ServerExchange::Body::read(std::span<std::byte> buffer) {
    if (exchange_.reader_.at_end() || buffer.empty()) return std::size_t{0};
    if (std::exchange(expects_continue, false))
        HAKO_CHECK(exchange_.connection_.wire.send("HTTP/1.1 100 Continue\r\n\r\n"));
    auto count = exchange_.reader_.read_body(
        buffer, deadline_in(exchange_.connection_.options.body_idle_timeout));
    exchange_.watch_when_read();
    return count;
}

ServerExchange::ServerExchange(ConnectionContext& connection, MessageReader<true>& reader,
                               Fields request)
    : connection_(connection),
      reader_(reader),
      request_(std::move(request)),
      body_(*this),
      keep_alive_(reader.keep_alive()),
      on_stopping_(connection.stopping.get_token(), [this] {
          gone_.request_stop();
          hijacked_gone_.request_stop();
      }) {
    body_.expects_continue = request_.has_token("Expect", "100-continue");
    watch_when_read();
}

ServerExchange::~ServerExchange() = default;

void ServerExchange::watch_when_read() {
    if (!reader_.at_end()) return;
    watching_ = connection_.watcher.watch(connection_.wire.fd(),
                                          DisconnectWatcher::Until::half_closed, gone_);
}

bool ServerExchange::is_head() const {
    return reader_.message().method() == boost::beast::http::verb::head;
}

std::string ServerExchange::start_line_and_headers(int status,
                                                   std::string_view content_type) const {
    const auto reason =
        boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\n", status, std::string_view(reason.data(), reason.size()));
    for (const auto& [name, value] : headers_) head += fmt::format("{}: {}\r\n", name, value);
    if (!content_type.empty()) head += fmt::format("Content-Type: {}\r\n", content_type);
    return head;
}

Result<void> ServerExchange::send_head(Mode mode, std::string head, std::string_view body) {
    if (started()) return fail(ErrorKind::internal, "a request was answered twice");
    mode_ = mode;
    if (!keep_alive_ && mode != Mode::hijacked) head += "Connection: close\r\n";
    head += "\r\n";
    auto sent = connection_.wire.send(head, is_head() ? std::string_view() : body);
    if (!sent) broken_ = true;
    return sent;
}

Result<void> ServerExchange::send(int status, std::string_view content_type,
                                  std::string_view body) {
    std::string head = start_line_and_headers(status, content_type);
    if (has_no_body(status)) return send_head(Mode::whole, std::move(head));
    head += fmt::format("Content-Length: {}\r\n", body.size());
    return send_head(Mode::whole, std::move(head), body);
}

Result<ResponseStream*> ServerExchange::stream(int status, std::string_view content_type) {
    std::string head = start_line_and_headers(status, content_type);
    const bool chunked = reader_.message().version() >= 11;
    if (chunked) head += "Transfer-Encoding: chunked\r\n";
    else keep_alive_ = false;
    HAKO_CHECK(send_head(chunked ? Mode::chunked : Mode::until_close, std::move(head)));
    stream_ = std::make_unique<Stream>(*this);
    return stream_.get();
}

Result<Hijacked*> ServerExchange::hijack(std::string_view content_type) {
    const bool upgrade =
        request_.has_token("Connection", "upgrade") && request_.has_token("Upgrade", "tcp");
    HAKO_TRY(Hijacked * raw,
             upgrade ? take_over(101, content_type, "tcp") : take_over(200, content_type, {}));
    // Docker's Python SDK reads the header with a buffer and goes on without it: what came in the
    // same read is lost to its user.
    connection_.wire.wait_until_read(std::chrono::milliseconds(1000));
    return raw;
}

Result<Hijacked*> ServerExchange::switch_protocol(std::string_view protocol) {
    return take_over(101, {}, protocol);
}

Result<Hijacked*> ServerExchange::take_over(int status, std::string_view content_type,
                                            std::string_view protocol) {
    Fd wake(::eventfd(0, EFD_CLOEXEC));
    if (!wake) return fail_errno(errno, "cannot take over a connection");
    std::string head = start_line_and_headers(status, content_type);
    if (!protocol.empty()) head += fmt::format("Connection: Upgrade\r\nUpgrade: {}\r\n", protocol);
    keep_alive_ = false;
    watching_.end();
    watching_ = connection_.watcher.watch(connection_.wire.fd(), DisconnectWatcher::Until::closed,
                                          hijacked_gone_);
    HAKO_CHECK(send_head(Mode::hijacked, std::move(head)));
    auto raw = std::make_unique<Raw>(connection_, hijacked_gone_.get_token(), std::move(wake));
    Raw* hijacked = raw.get();
    stream_ = std::move(raw);
    return hijacked;
}

// Reads what is left of the request's body, if it is little.
bool ServerExchange::discard_body() {
    if (body_.expects_continue) return reader_.at_end();  // it may come or not: nobody knows
    std::array<std::byte, 16384> discarded;
    for (int pieces = 0; pieces < 16 && !reader_.at_end(); ++pieces) {
        const auto count =
            reader_.read_body(discarded, deadline_in(std::chrono::milliseconds(500)));
        if (!count) return false;
    }
    return reader_.at_end();
}

bool ServerExchange::finish(const Result<void>& handled) {
    watching_.end();
    if (!started()) {
        keep_alive_ = keep_alive_ && discard_body();
        if (handled) (void)send_error(Error(ErrorKind::internal, "the request got no answer"));
        else (void)send_error(handled.error());
    }
    if (!handled && mode_ == Mode::chunked) return false;  // no last chunk: the client notices
    if (mode_ == Mode::chunked && !broken_ && !is_head() && !connection_.wire.send("0\r\n\r\n"))
        return false;
    return keep_alive_ && !broken_ && !connection_.stopping.stop_requested() && discard_body();
}

}  // namespace hako::http
