// Internet sockets by Address: non-blocking, close-on-exec.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "network/types.h"

namespace hako::network {

struct SocketAddress {
    Address address;
    std::uint16_t port = 0;

    auto operator<=>(const SocketAddress&) const = default;
};
std::string to_string(const SocketAddress& address);

// As the kernel has it.
struct RawAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    RawAddress() = default;
    explicit RawAddress(const SocketAddress& address);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    SocketAddress value() const;
};

// Bound, and listening when it is TCP. An IPv6 socket takes IPv6 only.
Result<Fd> bind_socket(Protocol protocol, const SocketAddress& where);
// Connected, or on the way to it (TCP).
Result<Fd> connect_socket(Protocol protocol, const SocketAddress& where);

// A datagram with the address of ours that it was sent to: the answer has to come from there.
struct Datagram {
    SocketAddress from;
    Address to;
    std::size_t size = 0;
};
// Sockets of bind_socket() only. nullopt when there is none.
std::optional<Datagram> receive_datagram(int socket, std::span<std::byte> buffer);
void send_datagram(int socket, const SocketAddress& to, const Address& from,
                   std::span<const std::byte> data);

}  // namespace hako::network
