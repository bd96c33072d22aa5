// A blocking HTTP/1.1 client for a daemon on a unix socket or on TCP. One connection per call.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "http/endpoint.h"
#include "http/fields.h"

namespace hako::http {

struct ClientRequest {
    std::string method = "GET";
    std::string target;     // encoded path and query: make_target() of http/url.h
    Fields headers = {};    // Host, Content-Length and Transfer-Encoding are set by the client
    std::string body = {};  // Content-Type is application/json unless the headers say otherwise
    Reader* body_stream = nullptr;  // instead of body: sent chunked while it is read; borrowed
    // Until the response's headers are there; the body may take its time. None waits for ever.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    // A stop closes the connection: what waits on it returns ErrorKind::cancelled.
    std::stop_token stop = {};
};

struct ClientResponse {
    int status = 0;
    Fields headers;
    std::string body;
};

// A response whose body is read as it comes. One thread reads it.
class ClientStream : public Reader {
public:
    virtual int status() const = 0;
    virtual const Fields& headers() const = 0;
    // Bytes of the body, chunking removed; 0 at its end. ErrorKind::unavailable when the connection
    // broke before the end.
    Result<std::size_t> read(std::span<std::byte> buffer) override = 0;
    // The next line without its end, nullopt at the end of the body. For progress and event
    // streams. Lines over 8 MiB are ErrorKind::too_large.
    virtual Result<std::optional<std::string>> next_line() = 0;
};

// A connection that left HTTP behind: `received` came with the response's headers already, the
// rest is on the socket. shutdown(socket, SHUT_WR) tells the daemon that our input ended.
struct Upgraded {
    Fd socket;
    std::string received;
    Fields headers;
};

// Stateless between calls; any thread may use it. Connection errors are ErrorKind::unavailable
// (nobody listens) or forbidden, with a sentence that says what to do.
class Client {
public:
    explicit Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

    const Endpoint& endpoint() const { return endpoint_; }

    // Whole exchange, whatever the status. Bodies over 64 MiB are ErrorKind::too_large.
    Result<ClientResponse> send(const ClientRequest& request) const;
    // The same; a status of 300 and above is the daemon's error: kind_of_http_status() and the
    // text of its {"message"}. not_modified for 304.
    Result<ClientResponse> call(const ClientRequest& request) const;
    // The response's headers now, the body later. Error statuses as in call().
    Result<std::unique_ptr<ClientStream>> stream(const ClientRequest& request) const;
    // Sends "Upgrade: tcp"; 101 and 200 hand the connection over. Error statuses as in call().
    Result<Upgraded> upgrade(const ClientRequest& request) const;

private:
    Endpoint endpoint_;
};

}  // namespace hako::http
