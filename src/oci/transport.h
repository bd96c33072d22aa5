// One HTTP exchange over libcurl. Redirects are followed, but credentials stay with the host that
// they were meant for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/registry_options.h"
#include "oci/tls_files.h"

namespace hako::oci {

// scheme://host[:port] of a URL.
struct Origin {
    std::string scheme;
    std::string host;  // without brackets
    std::string port;
    bool operator==(const Origin&) const = default;
};
// ErrorKind::invalid.
Result<Origin> origin_of(std::string_view url);
// What a reference such as a Location header means in answer to a request to `base`.
Result<std::string> resolve_url(std::string_view base, std::string_view reference);

// What is sent. It may be read more than once: after a redirect, or when a connection was dead.
struct HttpBody {
    std::uint64_t size = 0;
    // Fills the buffer from the offset on; 0 at the end.
    std::function<Result<std::size_t>(std::uint64_t offset, std::span<std::byte> buffer)> read;

    static HttpBody of(std::string text);
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    std::string authorization = {};         // the header's value; empty: none
    std::vector<std::string> headers = {};  // "Name: value"
    std::optional<HttpBody> body = {};
    bool secret_body = false;  // it holds credentials: never sent to another host
    bool is_probe = false;  // connects, and sends nothing: is TLS spoken? By whom does not matter
    // Instead of the transport's, where the peer may have to think.
    std::optional<std::chrono::seconds> stall_timeout = {};
};

struct HttpResponse {
    int status = 0;
    std::multimap<std::string, std::string> headers = {};  // names in lower case
    std::string body = {};                                 // what the body sink did not take
    std::string url = {};                                  // who answered, after redirects

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
using Exchanged = tl::expected<HttpResponse, TransportFailure>;

// Gets the body of responses with status 200 and 206. An error ends the exchange and is returned.
using BodySink =
    std::function<Result<void>(const HttpResponse& head, std::span<const std::byte> data)>;

struct TransportOptions {
    std::chrono::milliseconds connect_timeout;
    std::chrono::seconds stall_timeout;
    Proxies proxies = {};
    // Which certificates count for a host; none: the system's.
    std::function<Result<TlsFiles>(const Origin&)> tls = {};
};

// Keeps connections open between exchanges. Thread-safe; exchanges run in the calling threads.
class Transport {
public:
    explicit Transport(TransportOptions options) : options_(std::move(options)) {}
    ~Transport();
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    // Without a sink the body is collected, up to max_body bytes (ErrorKind::too_large).
    Exchanged exchange(const HttpRequest& request, std::size_t max_body, std::stop_token stop,
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

}  // namespace hako::oci
