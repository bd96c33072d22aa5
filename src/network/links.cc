#include "network/links.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/macvtap.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "network/netlink.h"
#include "network/sysctl.h"
#include "network/tap.h"

namespace hako::network {

namespace {

Result<Link> parent_link(nl_sock* socket, const std::string& name) {
    HAKO_TRY(Link parent, find_link(socket, name));
    if (!parent)
        return fail(ErrorKind::not_found,
                    "the host has no link {}; name one with -o parent=", name);
    return parent;
}

class NetlinkHost : public HostNetwork {
public:
    NetlinkHost(std::string instance, NetlinkSocket socket)
        : mark_(fmt::format("hako {}", instance)), socket_(std::move(socket)) {}

    Result<void> ensure_bridge(const BridgeSpec& spec) override;
    Result<void> ensure_tap(const TapSpec& spec) override;
    Result<void> let_wait(const std::string& name, const std::string& waiting) override;
    Result<void> ensure_macvtap(const MacvtapSpec& spec) override;
    Result<void> find_parent(const std::string& name) const override;
    Result<void> remove_link(const std::string& name) override;
    Result<std::set<std::string>> links() const override;
    Result<void> recover(const std::set<std::string>& known) override;
    Result<std::vector<Cidr>> routes() const override;
    Result<void> enable_forwarding(Family family) override { return set_forwarding(family); }

private:
    // What is to be changed of a link; what is absent stays.
    struct Change {
        int mtu = 0;
        int master = 0;
        std::optional<Mac> mac = {};
        std::string name = {};
    };

    bool is_ours(rtnl_link* link) const;
    Result<Link> own_link(nl_sock* socket, const std::string& name) const;
    Result<void> create(nl_sock* socket, rtnl_link* wanted, std::string_view what) const;
    Result<void> bring_up(nl_sock* socket, const std::string& name, const Change& change) const;
    static Result<void> set_addresses(nl_sock* socket, int link, const std::vector<Cidr>& wanted);
    Result<std::map<int, std::string>> own_links(nl_sock* socket) const;
    Result<void> remove(nl_sock* socket, const std::string& name) const;

    std::string mark_;
    Guarded<NetlinkSocket> socket_;
};

bool NetlinkHost::is_ours(rtnl_link* link) const {
    const char* alias = rtnl_link_get_ifalias(link);
    return alias != nullptr && alias == mark_;
}

// nullptr when there is none.
Result<Link> NetlinkHost::own_link(nl_sock* socket, const std::string& name) const {
    HAKO_TRY(Link link, find_link(socket, name));
    if (!link || is_ours(link.get())) return link;
    // The alias comes after the creation: a crash between leaves a link of our naming without.
    if (rtnl_link_get_ifalias(link.get()) == nullptr && name.starts_with("hk")) return link;
    return fail(ErrorKind::conflict,
                "link {} exists and is not this daemon's; choose another name or remove it with "
                "ip link del {}",
                name, name);
}

Result<void> NetlinkHost::create(nl_sock* socket, rtnl_link* wanted, std::string_view what) const {
    const int code = rtnl_link_add(socket, wanted, NLM_F_CREATE | NLM_F_EXCL);
    if (code == -NLE_EXIST) return {};
    return check_netlink(code,
                         fmt::format("cannot create {} {}", what, rtnl_link_get_name(wanted)));
}

Result<void> NetlinkHost::bring_up(nl_sock* socket, const std::string& name,
                                   const Change& change) const {
    HAKO_TRY(const Link link, find_link(socket, name));
    if (!link) return fail(ErrorKind::not_found, "link {} has just been removed", name);
    const Link wanted(rtnl_link_alloc());
    rtnl_link_set_ifalias(wanted.get(), mark_.c_str());
    rtnl_link_set_flags(wanted.get(), IFF_UP);
    if (!change.name.empty()) rtnl_link_set_name(wanted.get(), change.name.c_str());
    if (change.mtu != 0) rtnl_link_set_mtu(wanted.get(), unsigned(change.mtu));
    if (change.master != 0) rtnl_link_set_master(wanted.get(), change.master);
    if (change.mac) {
        const NetlinkAddress mac = to_netlink(*change.mac);
        rtnl_link_set_addr(wanted.get(), mac.get());
    }
    return check_netlink(rtnl_link_change(socket, link.get(), wanted.get(), 0),
                         fmt::format("cannot configure link {}", name));
}

Result<void> NetlinkHost::set_addresses(nl_sock* socket, int link,
                                        const std::vector<Cidr>& wanted) {
    nl_cache* raw = nullptr;
    HAKO_CHECK(check_netlink(rtnl_addr_alloc_cache(socket, &raw), "cannot list addresses"));
    const NetlinkCache cache(raw);
    std::vector<Cidr> missing = wanted;
    for (auto* object = nl_cache_get_first(raw); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* address = reinterpret_cast<rtnl_addr*>(object);
        const auto cidr = from_netlink(rtnl_addr_get_local(address));
        if (rtnl_addr_get_ifindex(address) != link || !cidr || cidr->address.is_link_local())
            continue;
        if (std::erase(missing, *cidr) == 0)
            HAKO_CHECK(check_netlink(rtnl_addr_delete(socket, address, 0),
                                     "cannot remove address " + to_string(*cidr)));
    }
    for (const Cidr& cidr : missing) {
        const LinkAddress address(rtnl_addr_alloc());
        const NetlinkAddress local = to_netlink(cidr);
        rtnl_addr_set_ifindex(address.get(), link);
        rtnl_addr_set_local(address.get(), local.get());
        // No other host has it, and the DNS server binds it at once.
        if (!cidr.address.is_v4()) rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
        HAKO_CHECK(check_netlink(rtnl_addr_add(socket, address.get(), NLM_F_REPLACE),
                                 "cannot add address " + to_string(cidr)));
    }
    return {};
}

Result<void> NetlinkHost::ensure_bridge(const BridgeSpec& spec) {
    auto held = socket_.lock();
    nl_sock* socket = held->get();
    HAKO_TRY(Link link, own_link(socket, spec.name));
    if (!link) {
        const Link wanted(rtnl_link_alloc());
        rtnl_link_set_name(wanted.get(), spec.name.c_str());
        rtnl_link_set_type(wanted.get(), "bridge");
        HAKO_CHECK(create(socket, wanted.get(), "bridge"));
    }
    const bool v6 = std::ranges::any_of(
        spec.addresses, [](const Cidr& cidr) { return cidr.family() == Family::v6; });
    if (v6 && !has_ipv6())
        return fail(ErrorKind::unavailable, "this host has no IPv6; make the network without it");
    if (has_ipv6()) {
        const std::string folder = fmt::format("ipv6/conf/{}/", spec.name);
        HAKO_CHECK(set_sysctl(folder + "accept_ra", "0"));
        HAKO_CHECK(set_sysctl(folder + "disable_ipv6", v6 ? "0" : "1"));
    }
    // A MAC of its own: else it would change with every port.
    HAKO_CHECK(bring_up(socket, spec.name, {.mtu = spec.mtu, .mac = Mac::of(spec.name)}));
    HAKO_TRY(link, find_link(socket, spec.name));
    if (!link) return fail(ErrorKind::not_found, "link {} has just been removed", spec.name);
    return set_addresses(socket, rtnl_link_get_ifindex(link.get()), spec.addresses);
}

Result<void> NetlinkHost::ensure_tap(const TapSpec& spec) {
    auto held = socket_.lock();
    nl_sock* socket = held->get();
    HAKO_TRY(const Link bridge, find_link(socket, spec.bridge));
    if (!bridge) return fail(ErrorKind::not_found, "there is no bridge {}", spec.bridge);
    const bool waits = !spec.waiting.empty();
    if (waits) HAKO_CHECK(remove(socket, spec.name));  // what a crash left
    HAKO_TRY(const Link link, own_link(socket, waits ? spec.waiting : spec.name));
    if (waits && !link)
        return fail(ErrorKind::not_found, "the tap {} that waited is gone", spec.waiting);
    // A new tap lives as long as the descriptor until it is marked and kept.
    Fd tap;
    if (!link) {
        HAKO_TRY(tap, attach_tap(spec.name));
    }
    const std::string& now = waits ? spec.waiting : spec.name;
    if ((waits || !link) && has_ipv6())
        HAKO_CHECK(set_sysctl(fmt::format("ipv6/conf/{}/disable_ipv6", now), "1"));
    HAKO_CHECK(bring_up(socket, now,
                        {.mtu = spec.mtu,
                         .master = rtnl_link_get_ifindex(bridge.get()),
                         .name = waits ? spec.name : ""}));
    return tap ? keep_tap(tap) : Result<void>();
}

Result<void> NetlinkHost::let_wait(const std::string& name, const std::string& waiting) {
    auto held = socket_.lock();
    HAKO_TRY(const Link link, own_link(held->get(), name));
    if (!link) return {};
    const std::string what = fmt::format("cannot take the tap {} from its network", name);
    const Link down(rtnl_link_alloc());
    rtnl_link_unset_flags(down.get(), IFF_UP);
    rtnl_link_set_master(down.get(), 0);
    HAKO_CHECK(check_netlink(rtnl_link_change(held->get(), link.get(), down.get(), 0), what));
    // Only a link that is down takes another name.
    const Link renamed(rtnl_link_alloc());
    rtnl_link_set_name(renamed.get(), waiting.c_str());
    rtnl_link_set_ifalias(renamed.get(), "");
    return check_netlink(rtnl_link_change(held->get(), link.get(), renamed.get(), 0), what);
}

Result<void> NetlinkHost::find_parent(const std::string& name) const {
    auto held = socket_.lock();
    HAKO_CHECK(parent_link(held->get(), name));
    return {};
}

Result<void> NetlinkHost::ensure_macvtap(const MacvtapSpec& spec) {
    auto held = socket_.lock();
    nl_sock* socket = held->get();
    HAKO_TRY(const Link parent, parent_link(socket, spec.parent));
    HAKO_TRY(const Link link, own_link(socket, spec.name));
    if (!link) {
        const Link wanted(rtnl_link_macvtap_alloc());
        const NetlinkAddress mac = to_netlink(spec.mac);
        rtnl_link_set_name(wanted.get(), spec.name.c_str());
        rtnl_link_set_link(wanted.get(), rtnl_link_get_ifindex(parent.get()));
        rtnl_link_set_addr(wanted.get(), mac.get());
        rtnl_link_macvtap_set_mode(wanted.get(), rtnl_link_macvtap_str2mode("bridge"));
        HAKO_CHECK(create(socket, wanted.get(), "macvtap"));
    }
    return bring_up(socket, spec.name, {.mtu = spec.mtu, .mac = spec.mac});
}

Result<void> NetlinkHost::remove(nl_sock* socket, const std::string& name) const {
    HAKO_TRY(const Link link, own_link(socket, name));
    if (!link) return {};
    const int code = rtnl_link_delete(socket, link.get());
    if (code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV) return {};
    return check_netlink(code, "cannot remove link " + name);
}

Result<void> NetlinkHost::remove_link(const std::string& name) {
    auto held = socket_.lock();
    return remove(held->get(), name);
}

// Names by index.
Result<std::map<int, std::string>> NetlinkHost::own_links(nl_sock* socket) const {
    nl_cache* raw = nullptr;
    HAKO_CHECK(check_netlink(rtnl_link_alloc_cache(socket, AF_UNSPEC, &raw), "cannot list links"));
    const NetlinkCache cache(raw);
    std::map<int, std::string> own;
    for (auto* object = nl_cache_get_first(raw); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        if (is_ours(link)) own.emplace(rtnl_link_get_ifindex(link), rtnl_link_get_name(link));
    }
    return own;
}

Result<std::set<std::string>> NetlinkHost::links() const {
    auto held = socket_.lock();
    HAKO_TRY(const auto own, own_links(held->get()));
    std::set<std::string> names;
    for (const auto& [index, name] : own) names.insert(name);
    return names;
}

Result<void> NetlinkHost::recover(const std::set<std::string>& known) {
    auto held = socket_.lock();
    HAKO_TRY(const auto own, own_links(held->get()));
    for (const auto& [index, name] : own)
        if (!known.contains(name)) HAKO_CHECK(remove(held->get(), name));
    return {};
}

Result<std::vector<Cidr>> NetlinkHost::routes() const {
    auto held = socket_.lock();
    HAKO_TRY(const auto own, own_links(held->get()));
    nl_cache* raw = nullptr;
    HAKO_CHECK(check_netlink(rtnl_route_alloc_cache(held->get(), AF_UNSPEC, 0, &raw),
                             "cannot list routes"));
    const NetlinkCache cache(raw);
    std::vector<Cidr> routes;
    for (auto* object = nl_cache_get_first(raw); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* route = reinterpret_cast<rtnl_route*>(object);
        const auto to = from_netlink(rtnl_route_get_dst(route));
        if (rtnl_route_get_type(route) != RTN_UNICAST || !to || to->prefix == 0 ||
            to->address.is_link_local() || to->address.is_loopback())
            continue;
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
        if (hop != nullptr && own.contains(rtnl_route_nh_get_ifindex(hop))) continue;
        routes.push_back(*to);
    }
    return routes;
}

}  // namespace

BridgeSpec bridge_spec(const NetworkConfig& network) {
    BridgeSpec spec{network.bridge, {}, network.mtu};
    for (const auto* subnet : {&network.v4, &network.v6})
        if (*subnet) spec.addresses.push_back({(*subnet)->gateway, (*subnet)->subnet.prefix});
    return spec;
}

Result<std::unique_ptr<HostNetwork>> open_host_network(std::string instance) {
    HAKO_TRY(NetlinkSocket socket, open_netlink());
    return std::make_unique<NetlinkHost>(std::move(instance), std::move(socket));
}

}  // namespace hako::network
