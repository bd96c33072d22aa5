// One HTTP exchange over libcurl. Redirects are followed, but credentials stay with the host that
// they were meant for.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::oci {

struct HttpRequest {
    std::string url;
    std::string authorization;         // the header's value; empty: none
    std::vector<std::string> headers;  // "Name: value"
    std::string form;                  // not empty: POST of application/x-www-form-urlencoded
};

struct HttpResponse {
    int status = 0;
    std::multimap<std::string, std::string> headers;  // names in lower case
    std::string body;                                 // what the body sink did not take

    // Empty when there is none.
    std::string header(const std::string& name) const;
};

struct TransportFailure {
    enum class Cause {
        unreachable,  // no connection
        no_tls,       // the peer does not speak TLS
        broken,       // the connection broke or stalled: worth another attempt
        final,        // another attempt would not help
    };
    Cause cause;
    Error error;
};

// Gets the body of responses with status 200 and 206. An error ends the exchange and is returned.
using BodySink =
    std::function<Result<void>(const HttpResponse& head, std::span<const std::byte> data)>;

struct TransportOptions {
    std::chrono::milliseconds connect_timeout;
    std::chrono::seconds stall_timeout;
};

// Keeps connections open between exchanges. Thread-safe; exchanges run in the calling threads.
class Transport {
public:
    explicit Transport(const TransportOptions& options) : options_(options) {}
    ~Transport();
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    // Without a sink the body is collected, up to max_body bytes (ErrorKind::too_large).
    tl::expected<HttpResponse, TransportFailure> exchange(const HttpRequest& request,
                                                          std::size_t max_body,
                                                          std::stop_token stop,
                                                          const BodySink& sink = {});

private:
    struct HandleDeleter {
        void operator()(void* handle) const;
    };
    using Handle = std::unique_ptr<void, HandleDeleter>;
    Handle take_handle();
    void return_handle(Handle handle);

    TransportOptions options_;
    std::mutex mutex_;
    std::vector<Handle> idle_;
};

// scheme://host[:port] of a URL; ErrorKind::invalid.
struct Origin {
    std::string scheme;
    std::string host;  // without brackets
    std::string port;
    bool operator==(const Origin&) const = default;
};
Result<Origin> origin_of(std::string_view url);
// 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view host);

}  // namespace hako::oci
