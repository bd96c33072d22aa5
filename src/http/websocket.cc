#include "http/websocket.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/thread.h"
#include "http/wire.h"

namespace hako::http {
namespace {

using Opcode = FrameHeader::Opcode;

constexpr std::string_view kVersion = "13";
constexpr std::size_t kKeyBytes = 16;
constexpr unsigned kNormal = 1000;
constexpr unsigned kProtocolError = 1002;
constexpr unsigned kTooLarge = 1009;

// What proves to the client that a WebSocket server answers (RFC 6455 4.2.2).
Result<std::string> accept_key(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
        return fail(ErrorKind::internal, "SHA-1 is not available");
    return encode_base64(as_text(std::as_bytes(std::span(digest).first(size))));
}

Result<std::string> check_handshake(const Request& request, Response& response) {
    const Fields& headers = request.headers;
    if (request.method != "GET" || !headers.has_token("Connection", "upgrade") ||
        !headers.has_token("Upgrade", "websocket"))
        return fail(ErrorKind::invalid, "this is for WebSockets: ask with \"Upgrade: websocket\"");
    if (headers.find("Sec-WebSocket-Version") != kVersion) {
        response.headers().set("Sec-WebSocket-Version", kVersion);
        return fail(ErrorKind::invalid, "WebSockets of version {} are spoken here", kVersion);
    }
    const std::string key(headers.find("Sec-WebSocket-Key").value_or(""));
    const auto decoded = decode_base64(key);
    if (!decoded || decoded->size() != kKeyBytes)
        return fail(ErrorKind::invalid, "the Sec-WebSocket-Key is no key of 16 bytes");
    return key;
}

}  // namespace

Result<void> check_origin(const Request& request) {
    const auto origin = request.headers.find("Origin");
    if (!origin) return {};
    std::string host(request.headers.find("Host").value_or(""));
    std::string_view site = *origin;
    for (const auto& [scheme, port] :
         {std::pair<std::string_view, std::string_view>("http://", ":80"),
          std::pair<std::string_view, std::string_view>("https://", ":443")}) {
        if (!site.starts_with(scheme)) continue;
        site.remove_prefix(scheme.size());
        // Browsers leave the scheme's own port out.
        if (host.ends_with(port) && !site.ends_with(port)) host.resize(host.size() - port.size());
        if (!host.empty() && equal_ignoring_case(site, host)) return {};
        break;
    }
    return fail(ErrorKind::forbidden, "a page of {} may not connect to {}: open it from here",
                *origin, host);
}

WebSocket::WebSocket(Hijacked& client, const WebSocketOptions& options)
    : client_(client),
      options_(options),
      when_gone_(client.gone(), [this] { gone_.request_stop(); }),
      watcher_(start_thread("websocket", [this](const std::stop_token& stop) { watch(stop); })) {}

WebSocket::~WebSocket() { close(kNormal, ""); }

Result<std::unique_ptr<WebSocket>> WebSocket::accept(const Request& request, Response& response,
                                                     const WebSocketOptions& options) {
    HAKO_TRY(const auto key, check_handshake(request, response));
    HAKO_CHECK(check_origin(request));
    HAKO_TRY(const auto accepted, accept_key(key));
    response.headers().set("Sec-WebSocket-Accept", accepted);
    if (!options.protocol.empty() &&
        request.headers.has_token("Sec-WebSocket-Protocol", options.protocol))
        response.headers().set("Sec-WebSocket-Protocol", options.protocol);
    HAKO_TRY(Hijacked * client, response.switch_protocol("websocket"));
    return std::unique_ptr<WebSocket>(new WebSocket(*client, options));
}

Result<void> WebSocket::send(Opcode opcode, std::string_view payload) {
    const std::lock_guard lock(sending_);
    if (closed_) return fail(ErrorKind::cancelled, "the WebSocket is closed");
    if (opcode == Opcode::close) closed_ = true;
    return client_.write(encode_frame(opcode, payload));
}

Result<void> WebSocket::write(std::span<const std::byte> data) {
    return send(Opcode::binary, as_text(data));
}

void WebSocket::close(unsigned code, std::string_view reason) {
    std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xffU)};
    payload += reason;
    (void)send(Opcode::close, payload);
}

Result<bool> WebSocket::fill() {
    const std::size_t before = received_.size();
    received_.resize(before + kPiece);
    const auto count = client_.read(std::as_writable_bytes(std::span(received_)).subspan(before));
    received_.resize(before + count.value_or(0));
    if (!count) return fail(count.error());
    if (*count > 0) heard_ = true;
    return *count > 0;
}

Result<std::optional<FrameHeader>> WebSocket::next_frame() {
    while (true) {
        HAKO_TRY(auto header, take_frame_header(received_));
        if (header) return header;
        HAKO_TRY(const bool more, fill());
        if (!more) return std::optional<FrameHeader>();
    }
}

Result<bool> WebSocket::take_control(const FrameHeader& frame) {
    while (received_.size() < frame.length) {
        HAKO_TRY(const bool more, fill());
        if (!more) return false;
    }
    std::string payload = received_.substr(0, frame.length);
    received_.erase(0, frame.length);
    unmask(std::as_writable_bytes(std::span(payload)), frame, 0);
    if (frame.opcode == Opcode::ping) HAKO_CHECK(send(Opcode::pong, payload));
    if (frame.opcode != Opcode::close) return true;
    (void)send(Opcode::close, payload.substr(0, 2));
    return false;
}

Result<void> WebSocket::take_data(const FrameHeader& frame) {
    if (in_message_ != (frame.opcode == Opcode::continuation))
        return fail(ErrorKind::invalid, "a frame out of its order");
    if (!in_message_) message_size_ = 0;
    if (frame.length > options_.max_message - message_size_)
        return fail(ErrorKind::too_large, "a message of more than {} bytes", options_.max_message);
    message_size_ += frame.length;
    in_message_ = !frame.last;
    frame_ = frame;
    frame_position_ = 0;
    return {};
}

Result<std::size_t> WebSocket::read(std::span<std::byte> buffer) {
    const auto refuse = [this](const Error& error) {
        ended_ = true;
        close(error.kind() == ErrorKind::too_large ? kTooLarge : kProtocolError, error.message());
        gone_.request_stop();
        return fail(error);
    };
    const auto end = [this] {
        ended_ = true;
        gone_.request_stop();
        return std::size_t{0};
    };
    while (!ended_ && frame_position_ == frame_.length) {
        const auto frame = next_frame();
        if (!frame && frame.error().kind() == ErrorKind::invalid) return refuse(frame.error());
        if (!frame) return fail(frame.error());
        if (!*frame) return end();
        if ((*frame)->is_control()) {
            HAKO_TRY(const bool goes_on, take_control(**frame));
            if (!goes_on) return end();
        } else if (auto taken = take_data(**frame); !taken) {
            return refuse(taken.error());
        }
    }
    if (ended_) return std::size_t{0};
    if (received_.empty()) {
        HAKO_TRY(const bool more, fill());
        if (!more) return end();
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(
        frame_.length - frame_position_, std::min(received_.size(), buffer.size())));
    std::ranges::copy(as_bytes(received_).first(count), buffer.begin());
    received_.erase(0, count);
    unmask(buffer.first(count), frame_, frame_position_);
    frame_position_ += count;
    return count;
}

void WebSocket::watch(const std::stop_token& stop) {
    while (sleep_for(options_.ping_every, stop)) {
        if (gone_.stop_requested()) return;
        if (!heard_.exchange(false)) {
            client_.cut();
            gone_.request_stop();
            return;
        }
        // One that is being sent to is not asked: it would wait behind what it does not take.
        if (const std::unique_lock sending(sending_, std::try_to_lock); sending && !closed_)
            (void)client_.write(encode_frame(Opcode::ping, ""));
    }
}

}  // namespace hako::http
