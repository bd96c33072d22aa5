// The server's side of a WebSocket (RFC 6455), without extensions.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/result.h"
#include "http/message.h"
#include "http/websocket_frame.h"

namespace hako::http {

struct WebSocketOptions {
    std::size_t max_message = std::size_t{16} << 20U;  // more ends the connection (1009)
    // A client that sends nothing for twice as long, not even its answer to our ping, is lost.
    std::chrono::milliseconds ping_every{30'000};
    std::string protocol = {};  // chosen when the client offers it, as in Sec-WebSocket-Protocol
};

// A page of another site must not reach us with its visitor's browser: an Origin, where there is
// one, has to name the Host of the request. ErrorKind::forbidden.
Result<void> check_origin(const Request& request);

// Both directions as streams of bytes: read() joins the messages that come, each write() is one
// binary message. Pings are answered and sent. When the client closes, read() returns 0 and gone()
// is requested. Not Beast's stream: that one cannot be read and written by two threads.
class WebSocket : public Hijacked {
public:
    // Answers 101. ErrorKind::invalid for what is no handshake, forbidden for a foreign origin.
    static Result<std::unique_ptr<WebSocket>> accept(const Request& request, Response& response,
                                                     const WebSocketOptions& options = {});
    ~WebSocket() override;  // says good-bye, if nobody did

    using ResponseStream::write;
    Result<void> write(std::span<const std::byte> data) override;
    Result<std::size_t> read(std::span<std::byte> buffer) override;
    std::stop_token gone() const override { return gone_.get_token(); }
    void stop_reading() override { client_.stop_reading(); }
    void cut() override { client_.cut(); }
    // Sends the close frame once. Codes: RFC 6455 7.4.1.
    void close(unsigned code, std::string_view reason);

private:
    WebSocket(Hijacked& client, const WebSocketOptions& options);

    Result<void> send(FrameHeader::Opcode opcode, std::string_view payload);
    // Nullopt at the end of the connection.
    Result<std::optional<FrameHeader>> next_frame();
    // False at the end of the connection.
    Result<bool> fill();
    // Takes a ping, pong or close; false when the connection is over.
    Result<bool> take_control(const FrameHeader& frame);
    Result<void> take_data(const FrameHeader& frame);
    void watch(const std::stop_token& stop);

    Hijacked& client_;
    const WebSocketOptions options_;
    std::stop_source gone_;
    std::stop_callback<std::function<void()>> when_gone_;

    std::mutex sending_;
    bool closed_ = false;             // by us: nothing may follow
    std::atomic<bool> heard_ = true;  // since the last ping

    // Of the thread that reads.
    std::string received_;
    FrameHeader frame_{};               // of the data that is read now
    std::uint64_t frame_position_ = 0;  // of its payload
    std::uint64_t message_size_ = 0;    // with the frames before
    bool in_message_ = false;
    bool ended_ = false;

    std::jthread watcher_;  // sends pings
};

}  // namespace hako::http
