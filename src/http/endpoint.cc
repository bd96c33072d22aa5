#include "http/endpoint.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

namespace hako::http {
namespace {

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const Endpoint& endpoint, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    const int status =
        ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
    if (status != 0)
        return fail(ErrorKind::unavailable, "cannot find the address of {}: {}", endpoint.host,
                    ::gai_strerror(status));
    return Addresses(list);
}

Error explain(Error error, const Endpoint& endpoint) {
    const std::string place = endpoint.to_string();
    if (error.kind() == ErrorKind::forbidden)
        return Error(ErrorKind::forbidden,
                     fmt::format("permission denied for the hako daemon's socket at {}; run the "
                                 "command as root or as a member of the socket's group",
                                 place));
    return Error(ErrorKind::unavailable,
                 fmt::format("cannot connect to the hako daemon at {}; start it with `hako system "
                             "start`, or name another one with -H ({})",
                             place, error.message()));
}

Result<void> finish_connect(int fd, const addrinfo& address,
                            std::optional<std::chrono::milliseconds> timeout) {
    HAKO_CHECK(set_nonblocking(fd, true));
    if (::connect(fd, address.ai_addr, address.ai_addrlen) != 0) {
        if (errno != EINPROGRESS) return fail_errno(errno, "cannot connect");
        pollfd waiting{fd, POLLOUT, 0};
        const int limit = timeout ? static_cast<int>(timeout->count()) : -1;
        int ready = 0;
        do ready = ::poll(&waiting, 1, limit);
        while (ready < 0 && errno == EINTR);
        if (ready == 0) return fail(ErrorKind::deadline, "no answer in {} ms", limit);
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
        if (error != 0) return fail_errno(error, "cannot connect");
    }
    return set_nonblocking(fd, false);
}

Result<Fd> connect_tcp(const Endpoint& endpoint, std::optional<std::chrono::milliseconds> timeout) {
    HAKO_TRY(const auto addresses, resolve(endpoint, 0));
    Result<Fd> last = fail(ErrorKind::unavailable, "{} has no address", endpoint.host);
    for (const addrinfo* address = addresses.get(); address; address = address->ai_next) {
        Fd fd(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!fd) return fail_errno(errno, "cannot make a socket");
        if (auto connected = finish_connect(fd.get(), *address, timeout); !connected) {
            last = fail(std::move(connected).error());
            continue;
        }
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return fd;
    }
    return last;
}

bool is_loopback(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
    }
    if (address.sa_family != AF_INET6) return false;
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

Result<Fd> listen_tcp(const Endpoint& endpoint, Reach reach) {
    HAKO_TRY(const auto addresses, resolve(endpoint, AI_PASSIVE));
    const addrinfo& address = *addresses;
    if (reach == Reach::loopback && !is_loopback(*address.ai_addr))
        return fail(ErrorKind::forbidden,
                    "{} is not a loopback address: whoever reaches it would have root; listen on "
                    "127.0.0.1 and forward it through ssh",
                    endpoint.to_string());
    Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return fail_errno(errno, "cannot make a socket");
    if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0)
        return fail_errno(errno, "cannot listen on {}", endpoint.to_string());
    return fd;
}

Result<Fd> listen_on_path(const Endpoint& endpoint, mode_t mode) {
    struct stat status {};
    if (::lstat(endpoint.path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return fail(ErrorKind::conflict, "{} exists and is not a socket; remove it",
                        endpoint.path.native());
        if (connect_unix(endpoint.path))
            return fail(ErrorKind::conflict, "another program serves {}; stop it first",
                        endpoint.path.native());
        if (::unlink(endpoint.path.c_str()) != 0 && errno != ENOENT)
            return fail_errno(errno, "cannot replace the stale socket {}", endpoint.path.native());
    }
    return listen_unix(endpoint.path, mode, SOMAXCONN);
}

std::optional<int> take_number(const char* variable) {
    const char* text = ::getenv(variable);
    if (text == nullptr) return std::nullopt;
    int number = 0;
    const std::string_view view(text);
    const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
    const bool good = error == std::errc() && end == view.data() + view.size();
    ::unsetenv(variable);
    return good ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
    constexpr std::string_view kUnix = "unix://";
    constexpr std::string_view kTcp = "tcp://";
    if (text.starts_with(kUnix)) {
        const std::filesystem::path path(text.substr(kUnix.size()));
        if (!path.is_absolute())
            return fail(ErrorKind::invalid, "{} needs an absolute path, as in unix:///run/x.sock",
                        text);
        return unix_socket(path);
    }
    if (!text.starts_with(kTcp))
        return fail(ErrorKind::invalid, "{} is no endpoint; write unix:///PATH or tcp://HOST:PORT",
                    text);
    std::string_view rest = text.substr(kTcp.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const auto colon = rest.rfind(':');
    Endpoint endpoint;
    if (colon != std::string_view::npos) {
        const std::string_view port = rest.substr(colon + 1);
        const auto [end, error] =
            std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
        std::string_view host = rest.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        endpoint.host = host;
        if (error == std::errc() && end == port.data() + port.size() && !port.empty() &&
            !endpoint.host.empty())
            return endpoint;
    }
    return fail(ErrorKind::invalid, "{} is no endpoint; write tcp://HOST:PORT", text);
}

std::string Endpoint::to_string() const {
    if (is_unix()) return "unix://" + path.native();
    const bool v6 = host.find(':') != std::string::npos;
    return fmt::format("tcp://{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

Result<Fd> connect(const Endpoint& endpoint, std::optional<std::chrono::milliseconds> timeout) {
    auto connected =
        endpoint.is_unix() ? connect_unix(endpoint.path) : connect_tcp(endpoint, timeout);
    if (!connected) return fail(explain(std::move(connected).error(), endpoint));
    return connected;
}

Result<Fd> listen(const Endpoint& endpoint, mode_t mode, Reach reach) {
    return endpoint.is_unix() ? listen_on_path(endpoint, mode) : listen_tcp(endpoint, reach);
}

Result<std::uint16_t> bound_port(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail_errno(errno, "cannot read a socket's address");
    if (address.ss_family == AF_INET)
        return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return fail(ErrorKind::invalid, "the socket is not a TCP socket");
}

std::vector<Fd> take_systemd_sockets() {
    constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
    constexpr int kMost = 64;
    const auto pid = take_number("LISTEN_PID");
    const auto count = take_number("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    std::vector<Fd> sockets;
    if (pid != ::getpid() || !count || *count < 1 || *count > kMost) return sockets;
    for (int fd = kFirst; fd < kFirst + *count; ++fd) {
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sockets.emplace_back(fd);
    }
    return sockets;
}

}  // namespace hako::http
