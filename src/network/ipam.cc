#include "network/ipam.h"

#include <algorithm>
#include <utility>

#include "base/fd.h"
#include "base/sha256.h"

namespace hako::network {

namespace {

constexpr std::string_view kGateway = "(gateway)";
constexpr std::string_view kAuxiliary = "(auxiliary address)";

// The lowest address that an interface may have, and the highest: without an IPv4 subnet's own
// address and its broadcast, except in /31 and /32.
Address lowest(const Cidr& range, const Cidr& subnet) {
    const bool own = range.first() == subnet.first() && subnet.prefix < subnet.address.bits() - 1;
    return own ? range.first().plus(1).value_or(range.first()) : range.first();
}
Address highest(const Cidr& range, const Cidr& subnet) {
    const bool broadcast =
        subnet.family() == Family::v4 && range.last() == subnet.last() && subnet.prefix < 31;
    const auto size = range.last().minus(range.first());
    return broadcast && size ? range.first().plus(*size - 1).value_or(range.last()) : range.last();
}

bool usable(const Address& address, const Cidr& subnet) {
    return subnet.contains(address) && address >= lowest(subnet, subnet) &&
           address <= highest(subnet, subnet);
}

Result<void> must_be_usable(std::string_view what, const Address& address, const Cidr& subnet) {
    if (usable(address, subnet)) return {};
    return fail(ErrorKind::invalid, "{} {} is not an address of hosts in subnet {}", what,
                to_string(address), to_string(subnet));
}

Result<Subnet> checked(const SubnetRequest& request, const Cidr& subnet) {
    Subnet result{subnet, {}, request.ip_range, request.auxiliary};
    if (request.ip_range && !subnet.contains(*request.ip_range))
        return fail(ErrorKind::invalid, "ip-range {} is not inside subnet {}",
                    to_string(*request.ip_range), to_string(subnet));
    if (result.ip_range) result.ip_range = result.ip_range->network();
    result.gateway = request.gateway.value_or(lowest(result.ip_range.value_or(subnet), subnet));
    HAKO_CHECK(must_be_usable("gateway", result.gateway, subnet));
    for (const auto& [name, address] : request.auxiliary)
        HAKO_CHECK(must_be_usable("auxiliary address " + name, address, subnet));
    return result;
}

Result<void> fit_for_hosts(const Cidr& subnet) {
    if (subnet != subnet.network())
        return fail(ErrorKind::invalid, "{} is not the start of a subnet; write {}",
                    to_string(subnet), to_string(subnet.network()));
    const int room = subnet.address.bits() - subnet.prefix;
    if (room < 2)
        return fail(ErrorKind::invalid, "subnet {} is too small for a gateway and a container",
                    to_string(subnet));
    const Address& first = subnet.address;
    if (subnet.prefix == 0 || first.is_loopback() || first.is_multicast() || first.is_link_local())
        return fail(ErrorKind::invalid, "subnet {} is not for networks; take a private one",
                    to_string(subnet));
    return {};
}

}  // namespace

std::vector<Pool> default_v4_pools() {
    std::vector<Pool> pools;
    for (std::uint8_t second = 17; second < 32; ++second)
        pools.push_back({{Address::v4(172, second, 0, 0), 16}, 16});
    pools.push_back({{Address::v4(192, 168, 0, 0), 16}, 20});
    // Where 200 networks and more find room.
    pools.push_back({{Address::v4(10, 192, 0, 0), 10}, 24});
    return pools;
}

std::vector<Pool> ula_pools(std::string_view seed) {
    const std::string digest = sha256_hex(as_bytes(fmt::format("hako networks {}", seed)));
    const std::string base = fmt::format("fd{}:{}:{}::/48", digest.substr(0, 2),
                                         digest.substr(2, 4), digest.substr(6, 4));
    return {{Cidr::parse(base).value(), 64}};
}

Ipam::Ipam(std::vector<Pool> v4, std::vector<Pool> v6)
    : pools_{{Family::v4, std::move(v4)}, {Family::v6, std::move(v6)}} {}

Result<Subnet> Ipam::choose_subnet(const SubnetRequest& request,
                                   std::span<const Cidr> host_routes) const {
    std::vector<Cidr> in_use(host_routes.begin(), host_routes.end());
    for (const auto& [id, network] : networks_)
        for (const auto& [family, range] : network.ranges) {
            if (request.subnet && range.subnet.subnet.overlaps(*request.subnet))
                return fail(
                    ErrorKind::conflict, "subnet {} overlaps {} of network {}; choose another",
                    to_string(*request.subnet), to_string(range.subnet.subnet), network.name);
            in_use.push_back(range.subnet.subnet);
        }
    if (request.subnet) {
        HAKO_CHECK(fit_for_hosts(*request.subnet));
        for (const Cidr& route : host_routes)
            if (route.overlaps(*request.subnet))
                return fail(ErrorKind::conflict,
                            "subnet {} overlaps {}, which the host itself reaches; choose another",
                            to_string(*request.subnet), to_string(route));
        return checked(request, *request.subnet);
    }
    if (request.gateway || request.ip_range || !request.auxiliary.empty())
        return fail(ErrorKind::invalid,
                    "a gateway, an ip-range or an auxiliary address needs "
                    "a subnet; name it with --subnet");
    for (const Pool& pool : pools_.at(request.family)) {
        Cidr piece{pool.base.first(), pool.size};
        while (pool.base.contains(piece)) {
            const auto in_way = std::ranges::find_if(
                in_use, [&](const Cidr& other) { return other.overlaps(piece); });
            if (in_way == in_use.end()) return checked(request, piece);
            // Past the piece, or past the larger range that is in the way.
            const auto next = std::max(piece.last(), in_way->last()).plus(1);
            if (!next) break;
            piece.address = *next;
        }
    }
    return fail(ErrorKind::exhausted,
                "all {} address pools are in use; name a free subnet with --subnet, or remove "
                "networks (docker network prune)",
                to_string(request.family));
}

void Ipam::add_network(const NetworkConfig& network) {
    Network added{network.name};
    for (const auto* subnet : {&network.v4, &network.v6}) {
        if (!*subnet) continue;
        Range range{**subnet};
        range.taken.emplace(range.subnet.gateway, kGateway);
        for (const auto& [name, address] : range.subnet.auxiliary)
            range.taken.emplace(address, kAuxiliary);
        added.ranges.emplace((*subnet)->subnet.family(), std::move(range));
    }
    networks_.insert_or_assign(network.id, std::move(added));
}

void Ipam::remove_network(const std::string& network_id) { networks_.erase(network_id); }

Result<Ipam::Range*> Ipam::range_of(const std::string& network_id, Family family) {
    const auto network = networks_.find(network_id);
    if (network == networks_.end())
        return fail(ErrorKind::not_found, "network {} does not exist", network_id);
    const auto range = network->second.ranges.find(family);
    if (range == network->second.ranges.end())
        return fail(ErrorKind::invalid, "network {} has no {} subnet", network->second.name,
                    to_string(family));
    return &range->second;
}

Result<Address> Ipam::allocate(const std::string& network_id, Family family,
                               const std::string& container, std::optional<Address> wanted) {
    HAKO_TRY(Range* const range, range_of(network_id, family));
    const Cidr& subnet = range->subnet.subnet;
    const std::string& name = networks_.at(network_id).name;
    if (wanted) {
        HAKO_CHECK(must_be_usable("address", *wanted, subnet));
        const auto [taken, is_new] = range->taken.emplace(*wanted, container);
        if (is_new || taken->second == container) return *wanted;
        return fail(ErrorKind::conflict, "address {} of network {} is in use by {}",
                    to_string(*wanted), name, taken->second);
    }
    const Cidr from = range->subnet.ip_range.value_or(subnet);
    const Address low = lowest(from, subnet);
    const Address high = highest(from, subnet);
    // Onwards from the last one, once around; each step leaves an address that is taken behind, so
    // there are no more steps than containers.
    Address next = range->last ? range->last->plus(1).value_or(low) : low;
    for (std::size_t step = 0; step <= range->taken.size() + 1; ++step) {
        if (next < low || next > high) next = low;
        if (range->taken.emplace(next, container).second) {
            range->last = next;
            return next;
        }
        next = next.plus(1).value_or(low);
    }
    return fail(ErrorKind::exhausted, "network {} has no free address left in {}", name,
                to_string(from));
}

Result<void> Ipam::restore(const Endpoint& endpoint) {
    for (const auto& address : {endpoint.v4, endpoint.v6})
        if (address)
            HAKO_CHECK(allocate(endpoint.network, address->family(), endpoint.container, address));
    return {};
}

void Ipam::release(const std::string& network_id, const Address& address) {
    const auto range = range_of(network_id, address.family());
    if (!range) return;
    const auto taken = (*range)->taken.find(address);
    if (taken != (*range)->taken.end() && !taken->second.starts_with('('))
        (*range)->taken.erase(taken);
}

void Ipam::release(const Endpoint& endpoint) {
    for (const auto& address : {endpoint.v4, endpoint.v6})
        if (address) release(endpoint.network, *address);
}

}  // namespace hako::network
