#include "network/name_index.h"

#include <algorithm>
#include <array>

namespace hako::network {

namespace {

constexpr std::array<std::string_view, 3> kHostNames{"host.docker.internal", "host.hako.internal",
                                                     "gateway.docker.internal"};

}  // namespace

// The pointers stay right: a map's nodes do not move, and neither do hosts once they are in it.
NameIndex::NameIndex(NameTable table) : table_(std::move(table)) {
    for (const auto& [id, named] : table_) {
        Network& network = networks_[id];
        for (const NamedHost& host : named.hosts) {
            for (const std::string& name : std::set(host.names.begin(), host.names.end()))
                network.by_name[name].push_back(&host);
            for (const Address& address : host.addresses) network.by_address[address] = &host;
            networks_of_container_[host.container].insert(id);
        }
    }
}

const NamedHost* NameIndex::host(const std::string& network, const Address& address) const {
    const auto found = networks_.find(network);
    if (found == networks_.end()) return nullptr;
    const auto host = found->second.by_address.find(address);
    return host == found->second.by_address.end() ? nullptr : host->second;
}

const std::vector<const NamedHost*>* NameIndex::hosts(const std::string& network,
                                                      const std::string& name) const {
    const auto found = networks_.find(network);
    if (found == networks_.end()) return nullptr;
    const auto& by_name = found->second.by_name;
    auto hosts = by_name.find(name);
    if (const auto suffix = "." + table_.at(network).name;
        hosts == by_name.end() && suffix.size() > 1 && name.ends_with(suffix))
        hosts = by_name.find(name.substr(0, name.size() - suffix.size()));
    return hosts == by_name.end() ? nullptr : &hosts->second;
}

std::vector<std::string> NameIndex::networks_of(const std::string& network,
                                                const Address& client) const {
    std::vector<std::string> networks{network};
    if (const NamedHost* asking = host(network, client))
        for (const std::string& other : networks_of_container_.at(asking->container))
            if (other != network) networks.push_back(other);
    return networks;
}

const std::string& NameIndex::linked(const std::string& network, const Address& client,
                                     const std::string& name) const {
    const NamedHost* asking = host(network, client);
    if (asking == nullptr) return name;
    const auto link = asking->links.find(name);
    return link == asking->links.end() ? name : link->second;
}

std::optional<std::vector<Address>> NameIndex::addresses(const std::string& network,
                                                         const Address& client,
                                                         const std::string& name) const {
    if (std::ranges::find(kHostNames, name) != kHostNames.end()) {
        const auto named = table_.find(network);
        return named == table_.end() ? std::vector<Address>() : named->second.gateways;
    }
    const std::string& known = linked(network, client, name);
    for (const std::string& id : networks_of(network, client)) {
        const auto* named = hosts(id, known);
        if (named == nullptr) continue;
        std::vector<Address> addresses;
        const std::size_t count = named->size();
        const std::size_t first = count > 1 ? turn_++ : 0;
        for (std::size_t i = 0; i < count; ++i) {
            const auto& of_host = (*named)[(first + i) % count]->addresses;
            addresses.insert(addresses.end(), of_host.begin(), of_host.end());
        }
        return addresses;
    }
    return std::nullopt;
}

std::optional<std::string> NameIndex::name_of(const std::string& network, const Address& client,
                                              const Address& address) const {
    for (const std::string& id : networks_of(network, client)) {
        const NamedHost* const named = host(id, address);
        if (named == nullptr || named->names.empty()) continue;
        const std::string& behind = table_.at(id).name;
        return behind.empty() ? named->names.front() : named->names.front() + "." + behind;
    }
    return std::nullopt;
}

std::vector<Address> NameIndex::resolvers(const std::string& network, const Address& client) const {
    const NamedHost* asking = host(network, client);
    return asking == nullptr ? std::vector<Address>() : asking->resolvers;
}

bool NameIndex::forwards(const std::string& network, const Address& client) const {
    return std::ranges::any_of(networks_of(network, client), [&](const std::string& id) {
        const auto named = table_.find(id);
        return named != table_.end() && named->second.forward;
    });
}

}  // namespace hako::network
