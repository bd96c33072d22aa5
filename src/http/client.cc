#include "http/client.h"

#include <sys/socket.h>

#include <array>
#include <functional>

#include "base/json.h"
#include "http/wire.h"

namespace hako::http {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{256} << 10U;
constexpr std::size_t kMaxBodyBytes = std::size_t{64} << 20U;
constexpr std::size_t kMaxLineBytes = std::size_t{8} << 20U;

// One request and its response on a connection of its own.
class Exchange : public ClientStream {
public:
    Exchange(Fd socket, std::stop_token stop)
        : socket_(std::move(socket)),
          wire_(socket_.get()),
          reader_(wire_, pending_, kMaxHeaderBytes),
          stop_(std::move(stop)),
          on_stop_(stop_, [fd = socket_.get()] { ::shutdown(fd, SHUT_RDWR); }) {}

    Result<void> start(const ClientRequest& request, const Endpoint& endpoint, bool upgrade);
    Result<void> check_status();
    Result<std::string> read_all();
    Result<Upgraded> upgraded() && {
        // A copy, since the callback still knows the number of ours.
        HAKO_TRY(auto socket, socket_.duplicate());
        return Upgraded{std::move(socket), std::move(pending_), std::move(headers_)};
    }

    int status() const override { return status_; }
    const Fields& headers() const override { return headers_; }
    Result<std::size_t> read(std::span<std::byte> buffer) override;
    Result<std::optional<std::string>> next_line() override;

private:
    Result<void> send(const ClientRequest& request, const Endpoint& endpoint, bool upgrade);
    Result<void> send_chunks(Reader& body);
    Error explain(Error error) const;

    Fd socket_;
    Wire wire_;
    std::string pending_;
    MessageReader<false> reader_;
    std::stop_token stop_;
    std::stop_callback<std::function<void()>> on_stop_;
    int status_ = 0;
    Fields headers_;
    std::string line_;  // of the body, not yet handed out
};

Error Exchange::explain(Error error) const {
    if (stop_.stop_requested()) return Error(ErrorKind::cancelled, "the request was cancelled");
    // What the server calls a client that went away is, from here, a daemon that did.
    if (error.kind() == ErrorKind::cancelled)
        return Error(ErrorKind::unavailable,
                     "the hako daemon closed the connection before its answer was complete");
    if (error.kind() == ErrorKind::deadline)
        return Error(ErrorKind::deadline, "the hako daemon did not answer in time");
    return error;
}

Result<void> Exchange::send_chunks(Reader& body) {
    std::array<std::byte, 65536> piece;
    while (true) {
        HAKO_TRY(const std::size_t count, body.read(piece));
        if (count == 0) return wire_.send("0\r\n\r\n");
        const auto data = as_text(std::span(piece).first(count));
        HAKO_CHECK(wire_.send(fmt::format("{:x}\r\n", count), data, "\r\n"));
    }
}

Result<void> Exchange::send(const ClientRequest& request, const Endpoint& endpoint, bool upgrade) {
    const bool has_body = !request.body.empty() || request.body_stream != nullptr;
    std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target,
                                   endpoint.is_unix() ? "hako" : endpoint.host);
    for (const auto& [name, value] : request.headers) {
        if (value.find_first_of("\r\n") != std::string::npos)
            return fail(ErrorKind::invalid, "the header {} holds a line break", name);
        head += fmt::format("{}: {}\r\n", name, value);
    }
    if (has_body && !request.headers.has("Content-Type"))
        head += "Content-Type: application/json\r\n";
    head += upgrade ? "Connection: Upgrade\r\nUpgrade: tcp\r\n" : "Connection: close\r\n";
    if (request.body_stream != nullptr) head += "Transfer-Encoding: chunked\r\n";
    else if (has_body || request.method == "POST" || request.method == "PUT")
        head += fmt::format("Content-Length: {}\r\n", request.body.size());
    head += "\r\n";
    HAKO_CHECK(wire_.send(head, request.body));
    if (request.body_stream != nullptr) return send_chunks(*request.body_stream);
    return {};
}

Result<void> Exchange::start(const ClientRequest& request, const Endpoint& endpoint, bool upgrade) {
    const Deadline deadline = deadline_in(request.timeout);
    auto sent = send(request, endpoint, upgrade);
    // A server may answer before it has read all, and hang up: the answer says why.
    if (!sent && sent.error().kind() != ErrorKind::cancelled) return sent;
    if (request.method == "HEAD") reader_.expect_no_body();
    auto received = reader_.read_header(deadline);
    if (!received) return fail(explain(std::move(received).error()));
    status_ = static_cast<int>(reader_.message().result_int());
    headers_ = reader_.fields();
    return {};
}

Result<std::size_t> Exchange::read(std::span<std::byte> buffer) {
    if (!line_.empty()) {
        const std::size_t count = std::min(buffer.size(), line_.size());
        std::ranges::copy(as_bytes(line_).first(count), buffer.begin());
        line_.erase(0, count);
        return count;
    }
    auto count = reader_.read_body(buffer, {});
    if (!count) return fail(explain(std::move(count).error()));
    return count;
}

Result<std::optional<std::string>> Exchange::next_line() {
    std::array<std::byte, 16384> piece;
    std::size_t searched = 0;
    while (true) {
        if (const auto end = line_.find('\n', searched); end != std::string::npos) {
            std::string line = line_.substr(0, end);
            line_.erase(0, end + 1);
            if (line.ends_with('\r')) line.pop_back();
            return line;
        }
        if (line_.size() > kMaxLineBytes)
            return fail(ErrorKind::too_large, "the daemon sent a line over {} bytes",
                        kMaxLineBytes);
        searched = line_.size();
        auto count = reader_.read_body(piece, {});
        if (!count) return fail(explain(std::move(count).error()));
        if (*count == 0) break;
        line_ += as_text(std::span(piece).first(*count));
    }
    if (line_.empty()) return std::nullopt;
    return std::exchange(line_, {});
}

Result<std::string> Exchange::read_all() {
    std::string body;
    std::array<std::byte, 65536> piece;
    while (true) {
        HAKO_TRY(const std::size_t count, read(piece));
        if (count == 0) return body;
        if (body.size() + count > kMaxBodyBytes)
            return fail(ErrorKind::too_large, "the daemon's answer is over {} bytes",
                        kMaxBodyBytes);
        body += as_text(std::span(piece).first(count));
    }
}

Error error_of(int status, std::string_view body) {
    std::string message;
    if (const auto json = parse_json(body))
        message = json_field_or<std::string>(*json, "message", "").value_or("");
    if (message.empty()) message = body;
    while (message.ends_with('\n')) message.pop_back();
    if (message.empty()) message = fmt::format("the daemon answered with status {}", status);
    return {kind_of_http_status(status), std::move(message)};
}

bool is_error(int status) { return status >= 300; }

Result<void> Exchange::check_status() {
    if (!is_error(status_)) return {};
    HAKO_TRY(const auto body, read_all());
    return fail(error_of(status_, body));
}

Result<std::unique_ptr<Exchange>> begin(const Endpoint& endpoint, const ClientRequest& request,
                                        bool upgrade = false) {
    HAKO_TRY(auto socket, connect(endpoint, request.timeout));
    auto exchange = std::make_unique<Exchange>(std::move(socket), request.stop);
    HAKO_CHECK(exchange->start(request, endpoint, upgrade));
    return exchange;
}

}  // namespace

Result<ClientResponse> Client::send(const ClientRequest& request) const {
    HAKO_TRY(const auto exchange, begin(endpoint_, request));
    HAKO_TRY(auto body, exchange->read_all());
    return ClientResponse{exchange->status(), exchange->headers(), std::move(body)};
}

Result<ClientResponse> Client::call(const ClientRequest& request) const {
    HAKO_TRY(auto response, send(request));
    if (is_error(response.status)) return fail(error_of(response.status, response.body));
    return response;
}

Result<std::unique_ptr<ClientStream>> Client::stream(const ClientRequest& request) const {
    HAKO_TRY(auto exchange, begin(endpoint_, request));
    HAKO_CHECK(exchange->check_status());
    return std::unique_ptr<ClientStream>(std::move(exchange));
}

Result<Upgraded> Client::upgrade(const ClientRequest& request) const {
    HAKO_TRY(auto exchange, begin(endpoint_, request, true));
    HAKO_CHECK(exchange->check_status());
    if (exchange->status() != 101 && exchange->status() != 200)
        return fail(ErrorKind::internal, "the daemon did not hand the connection over (status {})",
                    exchange->status());
    return std::move(*exchange).upgraded();
}

}  // namespace hako::http
