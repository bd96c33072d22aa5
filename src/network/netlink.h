// libnl's objects with owners, and its errors as values.
#pragma once

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <memory>
#include <string>

#include "network/address.h"

namespace hako::network {

template <typename T, void (*put)(T*)>
struct NetlinkPut {
    void operator()(T* object) const { put(object); }
};
using NetlinkSocket = std::unique_ptr<nl_sock, NetlinkPut<nl_sock, nl_socket_free>>;
using NetlinkCache = std::unique_ptr<nl_cache, NetlinkPut<nl_cache, nl_cache_free>>;
using NetlinkAddress = std::unique_ptr<nl_addr, NetlinkPut<nl_addr, nl_addr_put>>;
using LinkAddress = std::unique_ptr<rtnl_addr, NetlinkPut<rtnl_addr, rtnl_addr_put>>;
using Link = std::unique_ptr<rtnl_link, NetlinkPut<rtnl_link, rtnl_link_put>>;

// A socket for route netlink, in the network namespace of the calling thread.
Result<NetlinkSocket> open_netlink();
// libnl's code (negative) as an error: "cannot create bridge x: Operation not permitted".
tl::unexpected<Error> fail_netlink(int code, std::string_view what);
Result<void> check_netlink(int code, std::string_view what);

// nullptr when there is no link of that name.
Result<Link> find_link(nl_sock* socket, const std::string& name);

NetlinkAddress to_netlink(const Cidr& cidr);
// The bytes of a MAC, or of an address; of other families nullopt.
NetlinkAddress to_netlink(const Mac& mac);
std::optional<Cidr> from_netlink(const nl_addr* address);

}  // namespace hako::network
