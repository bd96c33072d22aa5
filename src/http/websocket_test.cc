#include "http/websocket.h"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "http/endpoint.h"
#include "http/server.h"

namespace hako::http {
namespace {

using namespace std::chrono_literals;
using Opcode = FrameHeader::Opcode;

// A client's frame.
std::string masked(Opcode opcode, std::string_view payload, bool last = true) {
    std::string frame = encode_frame(opcode, payload);
    const std::size_t head = frame.size() - payload.size();
    frame[1] = static_cast<char>(static_cast<unsigned char>(frame[1]) | 0x80U);
    if (!last) frame[0] = static_cast<char>(static_cast<unsigned char>(frame[0]) & 0x7fU);
    const FrameHeader header{.mask = {std::byte(1), std::byte(2), std::byte(3), std::byte(4)}};
    frame.insert(head, "\1\2\3\4");
    unmask(std::as_writable_bytes(std::span(frame)).subspan(head + 4), header, 0);
    return frame;
}

std::string closing(unsigned code, std::string_view reason = "") {
    return encode_frame(
        Opcode::close, std::string{static_cast<char>(code >> 8U), static_cast<char>(code & 0xffU)} +
                           std::string(reason));
}

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: hako:8006\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
    "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

// Sends back all that comes, until the client closes.
class WebSocketTest : public testing::Test {
protected:
    void serve(WebSocketOptions options = {}) {
        std::vector<Fd> listeners;
        listeners.push_back(listen(endpoint_).value());
        server_ = Server::start(std::move(listeners), [this, options](Request& request,
                                                                      Response& response) {
                      return echo(request, response, options);
                  }).value();
    }
    Result<void> echo(Request& request, Response& response, const WebSocketOptions& options) {
        HAKO_TRY(const auto socket, WebSocket::accept(request, response, options));
        std::array<std::byte, 1000> piece;
        while (true) {
            const auto count = socket->read(piece);
            if (!count || *count == 0) break;
            HAKO_CHECK(socket->write(std::span(piece).first(*count)));
        }
        gone_ = socket->gone().stop_requested();
        return {};
    }
    // Sends the handshake with these further headers.
    Fd open(std::string_view headers = "") const {
        Fd socket = connect(endpoint_).value();
        EXPECT_TRUE(
            write_all(socket.get(), std::string(kHandshake) + std::string(headers) + "\r\n"));
        return socket;
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
    // What comes behind the response's headers for these frames, and all until the end.
    std::string frames_for(std::string_view sent, std::string_view headers = "") const {
        const Fd socket = open(headers);
        EXPECT_TRUE(write_all(socket.get(), sent));
        const std::string all = read_rest(socket.get());
        EXPECT_TRUE(all.starts_with("HTTP/1.1 101 ")) << all;
        return all.substr(all.find("\r\n\r\n") + 4);
    }
    std::string status_with(std::string_view request) const {
        const Fd socket = connect(endpoint_).value();
        EXPECT_TRUE(write_all(socket.get(), std::string(request) + "Connection: close\r\n\r\n"));
        return read_rest(socket.get()).substr(9, 3);
    }

    TempDir folder_ = TempDir::create().value();
    Endpoint endpoint_ = Endpoint::unix_socket(folder_.path() / "s");
    std::atomic<bool> gone_ = false;
    std::unique_ptr<Server> server_;
};

TEST_F(WebSocketTest, AnswersTheHandshakeOfTheStandard) {
    serve({.protocol = "binary"});
    const Fd socket = open("Sec-WebSocket-Protocol: text, binary\r\n");
    ASSERT_TRUE(write_all(socket.get(), masked(Opcode::close, "\x03\xe8")));
    const std::string head = read_rest(socket.get());
    EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos);
    EXPECT_NE(head.find("Sec-WebSocket-Protocol: binary\r\n"), std::string::npos);
    EXPECT_NE(head.find("Upgrade: websocket\r\n"), std::string::npos);
}

TEST_F(WebSocketTest, CarriesMessagesOfAllLengths) {
    serve();
    for (const std::size_t length : {0U, 1U, 125U, 126U, 65535U, 65536U, 200000U}) {
        std::string sent(length, 'x');
        for (std::size_t i = 0; i < length; ++i) sent[i] = static_cast<char>(i * 7);
        const std::string frames =
            frames_for(masked(Opcode::binary, sent) + masked(Opcode::close, "\x03\xe8"));
        std::string joined;
        std::string_view rest = frames;
        while (static_cast<unsigned char>(rest[0]) == 0x82) {
            std::size_t size = static_cast<unsigned char>(rest[1]);
            rest.remove_prefix(2);
            if (size == 126) {
                size = static_cast<unsigned char>(rest[0]) * 256U +
                       static_cast<unsigned char>(rest[1]);
                rest.remove_prefix(2);
            }
            joined += rest.substr(0, size);
            rest.remove_prefix(size);
        }
        EXPECT_EQ(joined, sent) << length;
        EXPECT_EQ(rest, closing(1000));
    }
    EXPECT_TRUE(gone_);
}

TEST_F(WebSocketTest, AnswersPingsBetweenTheFramesOfAMessage) {
    serve();
    EXPECT_EQ(frames_for(masked(Opcode::text, "ab", false) + masked(Opcode::ping, "?") +
                         masked(Opcode::continuation, "cd") + masked(Opcode::close, "")),
              encode_frame(Opcode::binary, "ab") + encode_frame(Opcode::pong, "?") +
                  encode_frame(Opcode::binary, "cd") + encode_frame(Opcode::close, ""));
}

TEST_F(WebSocketTest, ClosesOnWhatTheProtocolDoesNotAllow) {
    serve({.max_message = 10});
    const auto code = [&](std::string_view sent) {
        const std::string frame = frames_for(sent);
        EXPECT_EQ(static_cast<unsigned char>(frame[0]), 0x88);
        return static_cast<unsigned char>(frame[2]) * 256 + static_cast<unsigned char>(frame[3]);
    };
    EXPECT_EQ(code(encode_frame(Opcode::binary, "bare")), 1002);  // no mask
    EXPECT_EQ(code("\xf2\x80"), 1002);                            // reserved bits
    EXPECT_EQ(code("\x83\x80"), 1002);                            // an unknown kind
    EXPECT_EQ(code("\x09\x80"), 1002);                            // a ping in parts
    EXPECT_EQ(code("\x89\xfe"), 1002);                            // a long ping
    EXPECT_EQ(code(masked(Opcode::continuation, "c")), 1002);
    EXPECT_EQ(code(std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14)), 1002);
    EXPECT_EQ(code(masked(Opcode::binary, "12345678901")), 1009);
    EXPECT_EQ(code(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14)), 1009);
    const std::string parts =
        frames_for(masked(Opcode::binary, "123456", false) + masked(Opcode::continuation, "78901"));
    EXPECT_TRUE(parts.starts_with(encode_frame(Opcode::binary, "123456")));
    EXPECT_EQ(parts.substr(8 + 2, 2), "\x03\xf1");
}

TEST_F(WebSocketTest, TheEndOfTheConnectionIsTheEnd) {
    serve();
    {
        const Fd socket = open();
        ASSERT_TRUE(write_all(socket.get(), masked(Opcode::binary, "half").substr(0, 7)));
        ::shutdown(socket.get(), SHUT_WR);
        read_rest(socket.get());
    }
    EXPECT_TRUE(gone_);
}

TEST_F(WebSocketTest, AClientThatAnswersNoPingIsLost) {
    serve({.ping_every = 50ms});
    const Fd silent = open();
    const std::string all = read_rest(silent.get());
    EXPECT_TRUE(all.substr(all.find("\r\n\r\n") + 4).starts_with(encode_frame(Opcode::ping, "")));
    const Fd alive = open();
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(write_all(alive.get(), masked(Opcode::pong, "")));
        std::this_thread::sleep_for(20ms);
    }
    ASSERT_TRUE(write_all(alive.get(), masked(Opcode::binary, "still here")));
    ASSERT_TRUE(write_all(alive.get(), masked(Opcode::close, "\x03\xe8")));
    EXPECT_NE(read_rest(alive.get()).find("still here"), std::string::npos);
}

TEST_F(WebSocketTest, RefusesForeignOrigins) {
    serve();
    const std::string start(kHandshake);
    for (const auto* good : {"http://hako:8006", "https://HAKO:8006"})
        EXPECT_EQ(frames_for(masked(Opcode::close, ""), fmt::format("Origin: {}\r\n", good)),
                  encode_frame(Opcode::close, ""));
    for (const auto* bad : {"http://evil.example", "null", "http://hako", "http://hako:8006.evil",
                            "file://hako:8006", ""})
        EXPECT_EQ(status_with(start + fmt::format("Origin: {}\r\n", bad)), "403") << bad;
}

TEST_F(WebSocketTest, RefusesWhatIsNoHandshake) {
    serve();
    EXPECT_EQ(status_with("GET /ws HTTP/1.1\r\nHost: h\r\n"), "400");
    EXPECT_EQ(status_with("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: "
                          "upgrade\r\nSec-WebSocket-Version: 8\r\n"),
              "400");
    EXPECT_EQ(status_with("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: "
                          "upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"),
              "400");
}

TEST(CheckOrigin, TakesTheSchemesOwnPort) {
    const auto allowed = [](std::string host, std::string origin) {
        Request request;
        request.headers = {{"Host", std::move(host)}, {"Origin", std::move(origin)}};
        return check_origin(request).has_value();
    };
    EXPECT_TRUE(allowed("mac:80", "http://mac"));
    EXPECT_TRUE(allowed("mac", "http://mac"));
    EXPECT_TRUE(allowed("[::1]:8006", "http://[::1]:8006"));
    EXPECT_FALSE(allowed("mac:81", "http://mac"));
    EXPECT_FALSE(allowed("", "http://"));
}

}  // namespace
}  // namespace hako::http
