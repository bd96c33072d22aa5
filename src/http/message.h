// What a handler sees of a request, and how it answers.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/stream.h"
#include "http/fields.h"
#include "http/url.h"

namespace hako::http {

struct Request {
    std::string method;
    std::string target;  // as sent
    std::string path;    // decoded, without the query
    Query query;
    Fields headers;
    std::map<std::string, std::string, std::less<>> parameters = {};  // of the route's pattern
    Reader* body = nullptr;  // never null in a handler; at its end at once when there is none
    // Requested when the client has gone away or the server stops. While the body is not read to
    // its end, the body's reads report that instead.
    std::stop_token gone = {};

    const std::string& parameter(std::string_view name) const;
    // The whole body; more than limit bytes is ErrorKind::too_large.
    Result<std::string> read_body(std::size_t limit = std::size_t{4} << 20U) const;
};

// The body of a response under way; every write is flushed. ErrorKind::cancelled when the client
// went away. One thread writes.
class ResponseStream : public Writer {
public:
    Result<void> write(std::span<const std::byte> data) override = 0;
    Result<void> write(std::string_view text) { return write(as_bytes(text)); }
};

// The raw connection after a hijack. One thread may read while another writes.
class Hijacked : public ResponseStream {
public:
    using ResponseStream::write;
    // What the client sends; 0 when it closed its side (half-close: it may still listen).
    virtual Result<std::size_t> read(std::span<std::byte> buffer) = 0;
    // Requested when the client closed both directions or the server stops. Request::gone does not
    // count any more: a client may end its input right after its request.
    virtual std::stop_token gone() const = 0;
    // Wakes a read() of another thread, which then returns 0: the handler is about to end.
    virtual void stop_reading() = 0;
    // Ends both directions at once, for a client that is lost: a write() that waits fails.
    virtual void cut() = 0;
};

// Exactly one of send(), stream(), hijack() and switch_protocol() is called, once. What they return
// is theirs and lives as long as the handler runs.
class Response {
public:
    virtual ~Response() = default;
    // For any of the answers; before them.
    virtual Fields& headers() = 0;
    virtual bool started() const = 0;

    virtual Result<void> send(int status, std::string_view content_type, std::string_view body) = 0;
    Result<void> send_json(int status, const Json& value);
    Result<void> send_empty(int status) { return send(status, {}, {}); }
    // {"message": ...} with http_status(kind); no body with 304.
    Result<void> send_error(const Error& error);

    // Flushes the headers at once, so that the client can go on before the first byte.
    virtual Result<ResponseStream*> stream(int status, std::string_view content_type) = 0;
    // 101 when the client asked to upgrade, else 200; then raw bytes both ways.
    virtual Result<Hijacked*> hijack(std::string_view content_type) = 0;
    // 101, then raw bytes both ways in the protocol; the caller knows that the client asked for it.
    virtual Result<Hijacked*> switch_protocol(std::string_view protocol) = 0;
};

}  // namespace hako::http
