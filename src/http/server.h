// A blocking HTTP/1.1 server: a thread per connection, bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "http/router.h"

namespace hako::http {

struct ServerOptions {
    std::size_t max_connections = 1024;                     // one more is answered 503 and closed
    std::size_t max_header_bytes = std::size_t{64} << 10U;  // more is answered 431
    std::chrono::milliseconds header_timeout{10'000};       // first byte to last header
    std::chrono::milliseconds idle_timeout{120'000};        // between two requests
    std::chrono::milliseconds body_idle_timeout{300'000};   // between two pieces of a body
    std::chrono::milliseconds stop_grace{3'000};            // for handlers, when stopping
};

// Serves until stop() or its end. Any thread may call its functions.
class Server {
public:
    // The sockets are listening already (http/endpoint.h, or systemd's). The handler is called by
    // many threads at once.
    static Result<std::unique_ptr<Server>> start(std::vector<Fd> listeners, Handler handler,
                                                 ServerOptions options = {});
    virtual ~Server() = default;  // stops
    // Accepts no more, tells the handlers (Request::gone), gives them the grace time, then closes
    // their connections and waits until all threads have ended.
    virtual void stop() = 0;
    virtual std::size_t connections() const = 0;
};

}  // namespace hako::http
