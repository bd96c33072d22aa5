// A name table made ready for look-ups. Immutable but for the turn of round robin.
#pragma once

#include <optional>
#include <set>

#include "network/names.h"

namespace hako::network {

class NameIndex {
public:
    NameIndex() = default;
    explicit NameIndex(NameTable table);
    NameIndex(NameIndex&&) = default;
    NameIndex& operator=(NameIndex&&) = default;

    // All addresses of the name, those that are next in turn first, as the client at this address
    // of this network sees it: by its links, and on that network or else on another one of its
    // container's. Nullopt
    // when there is no such name.
    std::optional<std::vector<Address>> addresses(const std::string& network, const Address& client,
                                                  const std::string& name) const;
    std::optional<std::string> name_of(const std::string& network, const Address& client,
                                       const Address& address) const;
    // The container's own resolvers; empty: the host's.
    std::vector<Address> resolvers(const std::string& network, const Address& client) const;
    bool forwards(const std::string& network, const Address& client) const;

    const NameTable& table() const { return table_; }

private:
    struct Network {
        std::map<std::string, std::vector<const NamedHost*>> by_name;
        std::map<Address, const NamedHost*> by_address;
    };
    const NamedHost* host(const std::string& network, const Address& address) const;
    // Those that have the name on this network; null: nobody has.
    const std::vector<const NamedHost*>* hosts(const std::string& network,
                                               const std::string& name) const;
    // The name by which others know what the client has a link to; else the name itself.
    const std::string& linked(const std::string& network, const Address& client,
                              const std::string& name) const;
    std::vector<std::string> networks_of(const std::string& network, const Address& client) const;

    NameTable table_;
    std::map<std::string, Network> networks_;
    std::map<std::string, std::set<std::string>> networks_of_container_;
    mutable std::size_t turn_ = 0;
};

}  // namespace hako::network
