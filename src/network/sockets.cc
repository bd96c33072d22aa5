#include "network/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <array>
#include <cstring>

namespace hako::network {

namespace {

Result<Fd> make_socket(Protocol protocol, Family family) {
    const int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
    Fd fd(::socket(family == Family::v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   0));
    if (!fd) return fail_errno(errno, "cannot make an {} socket", to_string(family));
    return fd;
}

void set_option(const Fd& fd, int level, int option) {
    const int on = 1;
    ::setsockopt(fd.get(), level, option, &on, sizeof on);
}

Address from_in(const in_addr& address) {
    return Address::from_bytes({reinterpret_cast<const std::uint8_t*>(&address), 4});
}
Address from_in(const in6_addr& address) { return Address::from_bytes({address.s6_addr, 16}); }

}  // namespace

std::string to_string(const SocketAddress& address) {
    const std::string host = to_string(address.address);
    return address.address.is_v4() ? fmt::format("{}:{}", host, address.port)
                                   : fmt::format("[{}]:{}", host, address.port);
}

RawAddress::RawAddress(const SocketAddress& address) {
    const auto bytes = address.address.bytes();
    if (address.address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(address.port);
        std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&storage, &in, size = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(address.port);
        std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&storage, &in, size = sizeof in);
    }
}

SocketAddress RawAddress::value() const {
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        return {from_in(in.sin_addr), ntohs(in.sin_port)};
    }
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    return {from_in(in.sin6_addr), ntohs(in.sin6_port)};
}

Result<Fd> bind_socket(Protocol protocol, const SocketAddress& where) {
    HAKO_TRY(Fd fd, make_socket(protocol, where.address.family()));
    if (protocol == Protocol::tcp) set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (!where.address.is_v4()) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (where.address.is_v4()) set_option(fd, IPPROTO_IP, IP_PKTINFO);
    else set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    const RawAddress raw(where);
    if (::bind(fd.get(), raw.get(), raw.size) != 0 ||
        (protocol == Protocol::tcp && ::listen(fd.get(), SOMAXCONN) != 0)) {
        if (errno == EADDRINUSE) return fail(ErrorKind::conflict, "{} is in use", to_string(where));
        return fail_errno(errno, "cannot listen on {}", to_string(where));
    }
    return fd;
}

Result<Fd> connect_socket(Protocol protocol, const SocketAddress& where) {
    HAKO_TRY(Fd fd, make_socket(protocol, where.address.family()));
    const RawAddress raw(where);
    if (::connect(fd.get(), raw.get(), raw.size) != 0 && errno != EINPROGRESS)
        return fail_errno(errno, "cannot connect to {}", to_string(where));
    if (protocol == Protocol::tcp) set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
}

std::optional<Datagram> receive_datagram(int socket, std::span<std::byte> buffer) {
    RawAddress from;
    std::array<char, 256> control{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = from.get();
    message.msg_namelen = from.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket, &message, 0);
    if (size < 0) return std::nullopt;
    Datagram datagram{from.value(), {}, std::size_t(size)};
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
         item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(item), sizeof info);
            datagram.to = from_in(info.ipi_spec_dst);
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(item), sizeof info);
            datagram.to = from_in(info.ipi6_addr);
        }
    }
    return datagram;
}

void send_datagram(int socket, const SocketAddress& to, const Address& from,
                   std::span<const std::byte> data) {
    RawAddress target(to);
    std::array<char, 256> control{};
    iovec part{const_cast<std::byte*>(data.data()), data.size()};
    msghdr message{};
    message.msg_name = target.get();
    message.msg_namelen = target.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* item = CMSG_FIRSTHDR(&message);
    const auto attach = [&](int level, int type, const auto& info) {
        item->cmsg_level = level;
        item->cmsg_type = type;
        item->cmsg_len = CMSG_LEN(sizeof info);
        std::memcpy(CMSG_DATA(item), &info, sizeof info);
        message.msg_controllen = CMSG_SPACE(sizeof info);
    };
    if (from.is_v4()) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, from.bytes().data(), 4);
        attach(IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, from.bytes().data(), 16);
        attach(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    // Datagrams may be lost: a full buffer or a peer that is gone is no error.
    [[maybe_unused]] const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace hako::network
