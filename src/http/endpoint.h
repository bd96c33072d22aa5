// Where a server listens and a client connects.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hako::http {

struct Endpoint {
    std::filesystem::path path;  // of a unix socket; empty for TCP
    std::string host;            // name or address, for TCP
    std::uint16_t port = 0;

    // "unix:///run/hako/docker.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:2375".
    static Result<Endpoint> parse(std::string_view text);
    static Endpoint unix_socket(std::filesystem::path path) { return {std::move(path), {}, 0}; }
    bool is_unix() const { return !path.empty(); }
    std::string to_string() const;
};

// A connected stream socket. Errors say what to do: start the daemon, mind its permissions.
// Without a time-out TCP waits as long as the kernel does.
Result<Fd> connect(const Endpoint& endpoint,
                   std::optional<std::chrono::milliseconds> timeout = std::nullopt);

// From where a TCP socket may be reached.
enum class Reach { loopback, anywhere };

// A listening socket. A unix socket gets the mode; a stale file that nobody serves is replaced,
// one that is served is ErrorKind::conflict. TCP is refused unless the address is a loopback one
// (the API gives root to whoever can talk to it) or `reach` says so: ErrorKind::forbidden. Port 0
// picks a free one.
Result<Fd> listen(const Endpoint& endpoint, mode_t mode = 0660, Reach reach = Reach::loopback);
// The port that a TCP socket is bound to.
Result<std::uint16_t> bound_port(int fd);

// Sockets handed over by systemd (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), in its order; empty
// when there are none. The variables are removed, so children do not see them.
std::vector<Fd> take_systemd_sockets();

}  // namespace hako::http
