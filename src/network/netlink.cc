#include "network/netlink.h"

#include <linux/netlink.h>
#include <netlink/errno.h>
#include <sys/socket.h>

namespace hako::network {

tl::unexpected<Error> fail_netlink(int code, std::string_view what) {
    ErrorKind kind = ErrorKind::internal;
    switch (-code) {
        case NLE_PERM:
        case NLE_NOACCESS: kind = ErrorKind::forbidden; break;
        case NLE_OBJ_NOTFOUND:
        case NLE_NODEV: kind = ErrorKind::not_found; break;
        case NLE_EXIST:
        case NLE_BUSY: kind = ErrorKind::conflict; break;
        case NLE_OPNOTSUPP: kind = ErrorKind::unimplemented; break;
        case NLE_NOMEM: kind = ErrorKind::exhausted; break;
        default: break;
    }
    return fail(kind, "{}: {}", what, nl_geterror(code));
}

Result<void> check_netlink(int code, std::string_view what) {
    if (code < 0) return fail_netlink(code, what);
    return {};
}

Result<NetlinkSocket> open_netlink() {
    NetlinkSocket socket(nl_socket_alloc());
    if (!socket) return fail(ErrorKind::exhausted, "no memory for a netlink socket");
    HAKO_CHECK(check_netlink(nl_connect(socket.get(), NETLINK_ROUTE), "cannot open route netlink"));
    return socket;
}

Result<Link> find_link(nl_sock* socket, const std::string& name) {
    rtnl_link* link = nullptr;
    const int code = rtnl_link_get_kernel(socket, 0, name.c_str(), &link);
    if (code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV) return Link();
    if (code < 0) return fail_netlink(code, "cannot look up link " + name);
    return Link(link);
}

NetlinkAddress to_netlink(const Cidr& cidr) {
    const auto bytes = cidr.address.bytes();
    NetlinkAddress address(
        nl_addr_build(cidr.address.is_v4() ? AF_INET : AF_INET6, bytes.data(), bytes.size()));
    nl_addr_set_prefixlen(address.get(), cidr.prefix);
    return address;
}

NetlinkAddress to_netlink(const Mac& mac) {
    return NetlinkAddress(nl_addr_build(AF_LLC, mac.bytes.data(), mac.bytes.size()));
}

std::optional<Cidr> from_netlink(const nl_addr* address) {
    if (address == nullptr) return std::nullopt;
    const std::size_t size = nl_addr_get_len(address);
    const int family = nl_addr_get_family(address);
    if (!(family == AF_INET && size == 4) && !(family == AF_INET6 && size == 16))
        return std::nullopt;
    const auto* bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
    return Cidr{Address::from_bytes({bytes, size}), int(nl_addr_get_prefixlen(address))};
}

}  // namespace hako::network
