// Internal: the server's side of one request: its body as a Reader and its response.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/disconnect_watcher.h"
#include "http/message.h"
#include "http/server.h"
#include "http/wire.h"

namespace hako::http {

// What the exchanges of one connection share.
struct ConnectionContext {
    Wire wire;
    const ServerOptions& options;
    DisconnectWatcher& watcher;
    std::stop_source stopping;  // the server stops
    std::string pending = {};   // bytes received and not yet used
};

class ServerExchange : public Response {
public:
    ServerExchange(ConnectionContext& connection, MessageReader<true>& reader, Fields request);
    ~ServerExchange() override;

    Reader& body() { return body_; }
    // Request::gone.
    std::stop_token gone() const { return gone_.get_token(); }
    // After the handler: completes the response, or gives up on it if the handler failed half-way.
    // True when the connection can serve another request.
    bool finish(const Result<void>& handled);

    Fields& headers() override { return headers_; }
    bool started() const override { return mode_ != Mode::none; }
    Result<void> send(int status, std::string_view content_type, std::string_view body) override;
    Result<ResponseStream*> stream(int status, std::string_view content_type) override;
    Result<Hijacked*> hijack(std::string_view content_type) override;
    Result<Hijacked*> switch_protocol(std::string_view protocol) override;

private:
    enum class Mode { none, whole, chunked, until_close, hijacked };
    class Stream;
    class Raw;

    // Counts as read only what was asked for: sends "100 Continue" before the first byte.
    class Body : public Reader {
    public:
        explicit Body(ServerExchange& exchange) : exchange_(exchange) {}
        Result<std::size_t> read(std::span<std::byte> buffer) override;
        bool expects_continue = false;

    private:
        ServerExchange& exchange_;
    };

    void watch_when_read();
    bool is_head() const;
    bool discard_body();
    std::string start_line_and_headers(int status, std::string_view content_type) const;
    Result<void> send_head(Mode mode, std::string head, std::string_view body = {});
    Result<Hijacked*> take_over(int status, std::string_view content_type,
                                std::string_view protocol);

    ConnectionContext& connection_;
    MessageReader<true>& reader_;
    Fields request_;
    Fields headers_;
    Body body_;
    Mode mode_ = Mode::none;
    bool keep_alive_;
    bool broken_ = false;  // sending failed
    std::unique_ptr<ResponseStream> stream_;
    std::stop_source gone_;           // the client will send no more, or the server stops
    std::stop_source hijacked_gone_;  // the client closed both directions, or the server stops
    std::stop_callback<std::function<void()>> on_stopping_;
    DisconnectWatcher::Registration watching_;
};

}  // namespace hako::http
