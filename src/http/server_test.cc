#include "http/server.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/stream.h"
#include "http/client.h"

namespace hako::http {
namespace {

using namespace std::chrono_literals;

Result<void> echo(Request& request, Response& response) {
    HAKO_TRY(const auto body, request.read_body());
    return response.send(200, "text/plain", request.method + " " + request.target + "\n" + body);
}

// A server on a unix socket of its own, and clients of it.
class ServerTest : public testing::Test {
protected:
    void serve(Handler handler, ServerOptions options = {}) {
        std::vector<Fd> listeners;
        listeners.push_back(listen(endpoint_).value());
        server_ = Server::start(std::move(listeners), std::move(handler), options).value();
    }
    Client client() const { return Client(endpoint_); }
    Fd raw() const { return connect(endpoint_).value(); }
    // Sends text and returns all that comes until the server closes the connection.
    std::string exchange(std::string_view text) const {
        const Fd socket = raw();
        EXPECT_TRUE(write_all(socket.get(), text));
        return read_rest(socket.get());
    }
    static std::string read_rest(int fd) {
        std::string all;
        std::array<std::byte, 4096> piece;
        while (wait_readable(fd, 5s).value_or(false)) {
            const auto count = read_some(fd, piece);
            if (!count || *count == 0) return all;
            all += as_text(std::span(piece).first(*count));
        }
        ADD_FAILURE() << "the server did not close the connection";
        return all;
    }

    TempDir folder_ = TempDir::create().value();
    Endpoint endpoint_ = Endpoint::unix_socket(folder_.path() / "s");
    std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndKeepsAlive) {
    serve(echo);
    const auto response = client().call({.method = "POST", .target = "/a?b=1", .body = "hello"});
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "POST /a?b=1\nhello");
    const std::string two = exchange(
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: "
        "close\r\n\r\n");
    EXPECT_NE(two.find("GET /1\n"), std::string::npos);
    EXPECT_NE(two.find("GET /2\n"), std::string::npos);
}

TEST_F(ServerTest, ServesTcpToo) {
    std::vector<Fd> listeners;
    listeners.push_back(listen(endpoint_).value());
    listeners.push_back(listen({{}, "127.0.0.1", 0}).value());
    const auto port = bound_port(listeners[1].get()).value();
    server_ = Server::start(std::move(listeners), echo).value();
    const Client tcp({{}, "127.0.0.1", port});
    EXPECT_EQ(tcp.call({.target = "/t"}).value().body, "GET /t\n");
    EXPECT_EQ(client().call({.target = "/u"}).value().body, "GET /u\n");
}

TEST_F(ServerTest, HeadAndEmptyAnswersHaveNoBody) {
    serve([](Request& request, Response& response) -> Result<void> {
        if (request.path == "/204") return response.send_empty(204);
        if (request.path == "/304") return fail(ErrorKind::not_modified, "already so");
        return response.send(200, "text/plain", "OK");
    });
    const auto head = client().send({.method = "HEAD", .target = "/"});
    EXPECT_EQ(head.value().body, "");
    EXPECT_EQ(head->headers.find("content-length"), "2");
    EXPECT_EQ(client().send({.target = "/204"}).value().status, 204);
    EXPECT_EQ(client().send({.target = "/304"}).value().status, 304);
    EXPECT_EQ(client().call({.target = "/304"}).error().kind(), ErrorKind::not_modified);
}

TEST_F(ServerTest, ErrorsAndExceptionsBecomeJson) {
    serve([](Request& request, Response&) -> Result<void> {
        if (request.path == "/throw") throw std::runtime_error("boom");
        if (request.path == "/forget") return {};
        return fail(ErrorKind::not_found, "No such container: \xff");
    });
    const auto response = client().send({.target = "/"}).value();
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.headers.find("Content-Type"), "application/json");
    EXPECT_TRUE(parse_json(response.body));
    EXPECT_EQ(client().send({.target = "/throw"}).value().status, 500);
    EXPECT_EQ(client().send({.target = "/forget"}).value().status, 500);
    EXPECT_EQ(client().call({.target = "/"}).error().kind(), ErrorKind::not_found);
}

TEST_F(ServerTest, BodiesOfAnyLengthStreamBothWays) {
    serve([](Request& request, Response& response) -> Result<void> {
        HAKO_TRY(ResponseStream * stream, response.stream(200, "application/octet-stream"));
        std::array<std::byte, 10'000> piece;
        while (true) {
            HAKO_TRY(const std::size_t count, request.body->read(piece));
            if (count == 0) return {};
            HAKO_CHECK(stream->write(std::span(piece).first(count)));
        }
    });
    TextReader body(std::string(std::size_t{50'001} * 200, 'x'), 50'001);
    // The echo fills both directions, so that somebody has to read while the body is sent.
    std::promise<std::size_t> total;
    const Fd socket = raw();
    ASSERT_TRUE(write_all(socket.get(),
                          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                          "Connection: close\r\n\r\n"));
    std::jthread reader([&] { total.set_value(read_rest(socket.get()).size()); });
    std::array<std::byte, 65536> piece;
    while (const std::size_t count = body.read(piece).value()) {
        ASSERT_TRUE(write_all(socket.get(), fmt::format("{:x}\r\n", count)));
        ASSERT_TRUE(write_all(socket.get(), std::span(piece).first(count)));
        ASSERT_TRUE(write_all(socket.get(), "\r\n"));
    }
    ASSERT_TRUE(write_all(socket.get(), "0\r\n\r\n"));
    EXPECT_GT(total.get_future().get(), std::size_t{50'001} * 200);
}

TEST_F(ServerTest, TheClientStreamsABody) {
    serve([](Request& request, Response& response) -> Result<void> {
        HAKO_TRY(const auto body, request.read_body(1U << 26U));
        return response.send(200, "text/plain", std::to_string(body.size()));
    });
    TextReader body(std::string(6'000'000, 'x'), 60'000);
    const auto response = client().call({.method = "POST", .target = "/", .body_stream = &body});
    EXPECT_EQ(response.value().body, "6000000");
}

TEST_F(ServerTest, LinesArriveAsTheyAreWritten) {
    std::latch first_read(1);
    serve([&](Request&, Response& response) -> Result<void> {
        HAKO_TRY(ResponseStream * stream, response.stream(200, "application/json"));
        HAKO_CHECK(stream->write("{\"a\":1}\r\n{\"b\""));
        first_read.wait();
        return stream->write(":2}\n{\"c\":3}");
    });
    const auto stream = client().stream({.target = "/"}).value();
    EXPECT_EQ(stream->next_line().value(), "{\"a\":1}");
    first_read.count_down();
    EXPECT_EQ(stream->next_line().value(), "{\"b\":2}");
    EXPECT_EQ(stream->next_line().value(), "{\"c\":3}");
    EXPECT_EQ(stream->next_line().value(), std::nullopt);
}

TEST_F(ServerTest, AHandlerThatFailsHalfWayBreaksTheStream) {
    serve([](Request&, Response& response) -> Result<void> {
        HAKO_TRY(ResponseStream * stream, response.stream(200, "text/plain"));
        HAKO_CHECK(stream->write("half"));
        return fail(ErrorKind::internal, "the disk is gone");
    });
    EXPECT_EQ(client().call({.target = "/"}).error().kind(), ErrorKind::unavailable);
}

TEST_F(ServerTest, RefusesALargeHeaderWithoutReadingItAll) {
    serve(echo);
    const Fd socket = raw();
    std::jthread sender([&] {
        std::string request = "GET / HTTP/1.1\r\nX: " + std::string(10U << 20U, 'a') + "\r\n\r\n";
        (void)::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    });
    EXPECT_TRUE(read_rest(socket.get()).starts_with("HTTP/1.1 431 "));
}

TEST_F(ServerTest, RefusesWhatCouldBeSmuggled) {
    serve(echo);
    for (const char* headers :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked",
          "Content-Length: 5\r\nContent-Length: 6",
          "Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: gzip",
          "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked",
          "Content-Length: -1", "Content-Length: 99999999999999999999999", "Bad Header: x",
          "Transfer-Encoding : chunked",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"})
        EXPECT_TRUE(
            exchange(fmt::format("POST / HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n0\r\n\r\n", headers))
                .starts_with("HTTP/1.1 400 "))
            << headers;
    EXPECT_TRUE(exchange("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(
        exchange("GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(exchange("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                    .starts_with("HTTP/1.1 400 "));
}

TEST_F(ServerTest, DoesNotWaitForSlowHeaders) {
    serve(echo, {.header_timeout = 50ms, .idle_timeout = 50ms});
    EXPECT_TRUE(exchange("GET / HT").starts_with("HTTP/1.1 408 "));
    EXPECT_EQ(exchange(""), "");
}

TEST_F(ServerTest, ABodyThatIsCutOffIsAnError) {
    std::promise<ErrorKind> seen;
    serve([&](Request& request, Response&) -> Result<void> {
        const auto body = request.read_body();
        seen.set_value(body ? ErrorKind::internal : body.error().kind());
        return fail(ErrorKind::cancelled, "cut off");
    });
    {
        const Fd socket = raw();
        ASSERT_TRUE(write_all(socket.get(), "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"));
    }
    EXPECT_EQ(seen.get_future().get(), ErrorKind::cancelled);
}

TEST_F(ServerTest, AsksForTheBodyWhenTheClientExpectsIt) {
    serve(echo);
    const Fd socket = raw();
    ASSERT_TRUE(write_all(socket.get(),
                          "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                          "Connection: close\r\n\r\n"));
    std::array<std::byte, 25> interim;
    ASSERT_TRUE(read_full(socket.get(), interim));
    EXPECT_EQ(as_text(interim), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(write_all(socket.get(), "abc"));
    EXPECT_TRUE(read_rest(socket.get()).ends_with("\nabc"));
}

TEST_F(ServerTest, NoticesAClientThatLeaves) {
    std::latch entered(1);
    std::promise<bool> noticed;
    serve([&](Request& request, Response& response) -> Result<void> {
        HAKO_CHECK(response.stream(200, "text/plain"));
        entered.count_down();
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any changed;
        changed.wait_for(lock, request.gone, 10s, [] { return false; });
        noticed.set_value(request.gone.stop_requested());
        return {};
    });
    Fd socket = raw();
    ASSERT_TRUE(write_all(socket.get(), "GET / HTTP/1.1\r\n\r\n"));
    entered.wait();
    socket.reset();
    EXPECT_TRUE(noticed.get_future().get());
}

TEST_F(ServerTest, HijackedConnectionsCloseEachSideAlone) {
    serve([](Request&, Response& response) -> Result<void> {
        HAKO_TRY(Hijacked * raw, response.hijack("application/vnd.docker.raw-stream"));
        std::string input;
        std::array<std::byte, 100> piece;
        while (true) {
            HAKO_TRY(const std::size_t count, raw->read(piece));
            if (count == 0) break;
            input += as_text(std::span(piece).first(count));
        }
        if (raw->gone().stop_requested()) return fail(ErrorKind::cancelled, "gone too early");
        return raw->write("got " + input);
    });
    auto upgraded = client().upgrade({.method = "POST", .target = "/attach"});
    ASSERT_TRUE(upgraded);
    EXPECT_EQ(upgraded->headers.find("Upgrade"), "tcp");
    ASSERT_TRUE(write_all(upgraded->socket.get(), "some input"));
    ::shutdown(upgraded->socket.get(), SHUT_WR);
    EXPECT_EQ(upgraded->received + read_rest(upgraded->socket.get()), "got some input");

    // Without an upgrade it is 200; input may come together with the header.
    const Fd socket = raw();
    ASSERT_TRUE(write_all(socket.get(), "POST /attach HTTP/1.1\r\nHost: x\r\n\r\nearly"));
    ::shutdown(socket.get(), SHUT_WR);
    const std::string answer = read_rest(socket.get());
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("got early")) << answer;
}

// As Docker's Python SDK needs it under load.
TEST_F(ServerTest, TheFirstBytesOfAHijackedStreamComeAfterItsHeaderWasRead) {
    std::latch began(1);
    serve([&](Request&, Response& response) -> Result<void> {
        began.count_down();
        HAKO_TRY(Hijacked * raw, response.hijack("application/vnd.docker.raw-stream"));
        return raw->write("output");
    });
    const Fd socket = raw();
    ASSERT_TRUE(write_all(socket.get(), "POST /attach HTTP/1.1\r\nHost: x\r\n\r\n"));
    began.wait();
    std::this_thread::sleep_for(50ms);  // time enough for the output to come, too
    std::array<std::byte, 4096> buffer;
    const auto count = read_some(socket.get(), buffer).value();
    const auto head = as_text(std::span(buffer).first(count));
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n")) << head;
    EXPECT_EQ(read_rest(socket.get()), "output");
}

TEST_F(ServerTest, AHijackedReadCanBeStopped) {
    serve([](Request&, Response& response) -> Result<void> {
        HAKO_TRY(Hijacked * raw, response.hijack("text/plain"));
        std::jthread stopper([raw] { raw->stop_reading(); });
        std::array<std::byte, 10> piece;
        const auto count = raw->read(piece);
        return raw->write(count && *count == 0 ? "stopped" : "odd");
    });
    const auto upgraded = client().upgrade({.method = "POST", .target = "/"}).value();
    EXPECT_EQ(upgraded.received + read_rest(upgraded.socket.get()), "stopped");
}

TEST_F(ServerTest, FiftyClientsAtOnce) {
    std::latch all_inside(50);
    serve([&](Request& request, Response& response) -> Result<void> {
        all_inside.arrive_and_wait();  // passes only when all are served at the same time
        return echo(request, response);
    });
    std::atomic<int> good = 0;
    {
        std::vector<std::jthread> clients;
        for (int i = 0; i < 50; ++i)
            clients.emplace_back([&, i] {
                const auto text = std::to_string(i);
                const auto response =
                    client().call({.method = "POST", .target = "/", .body = text});
                if (response && response->body == "POST /\n" + text) ++good;
            });
    }
    EXPECT_EQ(good, 50);
}

TEST_F(ServerTest, BoundsItsConnections) {
    serve(echo, {.max_connections = 2});
    const Fd first = raw();
    const Fd second = raw();
    const auto full = [&] { return server_->connections() == 2; };
    for (int i = 0; i < 500 && !full(); ++i) std::this_thread::sleep_for(10ms);
    ASSERT_TRUE(full());
    EXPECT_TRUE(exchange("").starts_with("HTTP/1.1 503 "));
}

TEST_F(ServerTest, StopsWithIdleAndBusyClients) {
    std::latch entered(1);
    serve(
        [&](Request&, Response& response) -> Result<void> {
            HAKO_TRY(Hijacked * raw, response.hijack("text/plain"));
            entered.count_down();
            std::array<std::byte, 10> piece;
            (void)raw->read(piece);  // pays no attention to the stop
            return {};
        },
        {.stop_grace = 50ms});
    const Fd idle = raw();
    const auto upgraded = client().upgrade({.method = "POST", .target = "/"}).value();
    entered.wait();
    server_->stop();
    EXPECT_EQ(server_->connections(), 0U);
    EXPECT_EQ(read_rest(idle.get()), "");
    EXPECT_EQ(client().call({.target = "/"}).error().kind(), ErrorKind::unavailable);
}

TEST_F(ServerTest, ClientsGiveUpInTimeAndOnDemand) {
    serve([](Request& request, Response& response) -> Result<void> {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any changed;
        changed.wait_for(lock, request.gone, 10s, [] { return false; });
        return response.send_empty(204);
    });
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(client().call({.target = "/", .timeout = 50ms}).error().kind(), ErrorKind::deadline);
    std::stop_source stop;
    std::jthread stopper([&] {
        std::this_thread::sleep_for(50ms);
        stop.request_stop();
    });
    EXPECT_EQ(client().call({.target = "/", .stop = stop.get_token()}).error().kind(),
              ErrorKind::cancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

}  // namespace
}  // namespace hako::http
